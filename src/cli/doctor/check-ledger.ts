/** Whether the ledger can be opened by this version. Looks without changing: an older ledger is upgraded by `up`. */
import { existsSync } from 'node:fs';
import { loadLedgerStore } from '../../config/load-ledger-store.ts';
import type { LedgerStore } from '../../core/settings.ts';
import { ledgerPath, openLedger } from '../../ledger/open-ledger.ts';
import { loadMasterKey } from '../../stores/crypto/master-key.ts';
import { openHomeStores } from '../access/home-stores.ts';
import { ledgerVersion } from '../access/ledger-version.ts';
import { errorText, type DoctorInput, type Finding } from './check.ts';

const name = 'ledger';

export async function checkLedger(input: DoctorInput): Promise<Finding> {
  let store: LedgerStore;
  try {
    store = loadLedgerStore(input.env);
  } catch (error) {
    return { name, status: 'fail', message: errorText(error), remedy: 'Correct the configuration first.' };
  }
  const isFile = store.kind === 'sqlite';
  if (isFile && !existsSync(ledgerPath(input.home))) return madeAtTheFirstStart(store);
  try {
    const { found: version, known } = await ledgerVersion(store, input.home, input.env);
    if (version > known) {
      return {
        name,
        status: 'fail',
        message: `${store.kind}: schema version ${String(version)}; this Holdfast knows up to ${String(known)}`,
        remedy: 'Use the newer Holdfast that wrote it, or restore a backup.',
      };
    }
    if (version === 0 && !isFile) return madeAtTheFirstStart(store);
    if (version < known) {
      const message = `${store.kind}: schema version ${String(version)}; \`holdfast up\` brings it to ${String(known)}`;
      return { name, status: 'ok', message };
    }
    await openAndClose(store, input);
    return { name, status: 'ok', message: `${store.kind}: opens, schema version ${String(version)}` };
  } catch (error) {
    const remedy = isFile
      ? 'Restore a backup, or put the right master key back.'
      : 'Start the database, correct what stores.postgresUrl refers to, or put the right master key back.';
    return { name, status: 'fail', message: errorText(error), remedy };
  }
}

function madeAtTheFirstStart({ kind }: LedgerStore): Finding {
  return { name, status: 'ok', message: `${kind}: none yet; made at the first start` };
}

async function openAndClose(store: LedgerStore, { home, env }: DoctorInput): Promise<void> {
  const masterKey = loadMasterKey({ home, env, makes: false });
  const secrets = openHomeStores(home, env).secrets();
  await (await openLedger({ store, home, masterKey, secrets, env })).ledger.close();
}
