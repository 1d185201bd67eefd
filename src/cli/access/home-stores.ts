/** The stores of a home, opened beside the node that may be running there: ledger and secrets file allow it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadLedgerStore } from '../../config/load-ledger-store.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { SecretStore } from '../../core/ports/secret-store.ts';
import { ledgerPath, openLedger } from '../../ledger/open-ledger.ts';
import { loadMasterKey } from '../../stores/crypto/master-key.ts';
import type { Rotation } from '../../stores/sql/rotate-keys.ts';
import type { HistoryKeys } from '../../stores/sql/history-keys.ts';
import type { LedgerStores } from '../../stores/sql/sql-ledger.ts';
import { createEncryptedSecretFile } from '../../stores/files/encrypted-secret-file.ts';
import { makeHome } from '../../temporal/server/make-home.ts';

export interface HomeStores {
  /**
   * The ledger that the configuration names, opened at the first use. `mayCreate` is for what is set up before the first
   * `holdfast up`. Only `mayUpgrade` changes the schema of a database that has one: nodes of an older version work on it.
   */
  ledger(options?: { mayCreate?: boolean; mayUpgrade?: boolean }): Promise<Ledger>;
  secrets(): SecretStore;
  /** For payloads of histories that were sealed; null when the ledger does not have it. */
  findHistoryKey: HistoryKeys['find'];
  rotateDataKeys(actor: string): Promise<Rotation>;
  close(): Promise<void>;
}

export function openHomeStores(home: string, env: NodeJS.ProcessEnv): HomeStores {
  let opened: Promise<LedgerStores> | null = null;
  const keyOfHome = (makes = true) => {
    // A key in the environment makes no home, and what is opened with it needs one.
    if (makes || !existsSync(home)) makeHome(home);
    return loadMasterKey({ home, env, makes });
  };
  const secrets = (masterKey = keyOfHome()) =>
    createEncryptedSecretFile({ path: join(home, 'secrets.json'), masterKey });
  const open = async (mayCreate: boolean, mayUpgrade: boolean): Promise<LedgerStores> => {
    const store = loadLedgerStore(env);
    if (store.kind === 'sqlite' && !mayCreate && !existsSync(ledgerPath(home))) {
      throw new HoldfastError(
        'not_found',
        `There is no ledger in ${home}. Start \`holdfast up\` once, or name the right home: HOLDFAST_HOME=<directory>.`,
      );
    }
    // A key made now would open nothing of a ledger that is there.
    const masterKey = keyOfHome(mayCreate);
    const schema = mayUpgrade ? 'upgrade' : mayCreate ? 'create' : 'as-is';
    return openLedger({ store, home, masterKey, secrets: secrets(masterKey), env, schema });
  };
  const stores = (mayCreate = false, mayUpgrade = false) => (opened ??= open(mayCreate, mayUpgrade));
  return {
    ledger: async ({ mayCreate = false, mayUpgrade = false } = {}) => (await stores(mayCreate, mayUpgrade)).ledger,
    async rotateDataKeys(actor) {
      const { keys } = await stores();
      const rotation = await keys.rotateDataKeys(actor);
      await keys.overwriteOld();
      return rotation;
    },
    findHistoryKey: async (id) => (await stores()).keys.histories.find(id),
    secrets: () => secrets(),
    async close() {
      // Whoever asked for it has the error of a ledger that did not open.
      const [result] = await Promise.allSettled(opened ? [opened] : []);
      if (result?.status === 'fulfilled') await result.value.ledger.close();
    },
  };
}
