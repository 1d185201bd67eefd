/** Whether the ledger can be opened by this version. Looks without changing: an older ledger is upgraded by `up`. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { loadLedgerStore } from '../../config/load-ledger-store.ts';
import type { LedgerStore } from '../../core/settings.ts';
import { ledgerPath, openLedger, storeUrlOf } from '../../ledger/open-ledger.ts';
import { loadMasterKey } from '../../stores/crypto/master-key.ts';
import { migrations as postgresMigrations } from '../../stores/postgres/migrations.ts';
import { postgresSchemaVersion } from '../../stores/postgres/open-postgres-ledger.ts';
import { migrations as sqliteMigrations } from '../../stores/sqlite/migrations.ts';
import { openHomeStores } from '../access/home-stores.ts';
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
    const version = await versionOf(store, input);
    const known = isFile ? sqliteMigrations.length : postgresMigrations.length;
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

async function versionOf(store: LedgerStore, { home, env }: DoctorInput): Promise<number> {
  if (store.kind === 'sqlite') return sqliteVersion(ledgerPath(home));
  // Lazy: the doctor must not make a home for a URL that does not come from there.
  const resolve = (secret: string) => openHomeStores(home, env).secrets().resolve(secret);
  return postgresSchemaVersion(await storeUrlOf('stores.postgresUrl', store.urlReference, { secrets: { resolve }, env }));
}

async function openAndClose(store: LedgerStore, { home, env }: DoctorInput): Promise<void> {
  const masterKey = loadMasterKey({ home, env, makes: false });
  const secrets = openHomeStores(home, env).secrets();
  await (await openLedger({ store, home, masterKey, secrets, env })).ledger.close();
}

function sqliteVersion(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(database.prepare('select max(version) as version from schema_version').get()?.['version'] ?? 0);
  } finally {
    database.close();
  }
}
