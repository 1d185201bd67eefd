/** The stores of a home, opened beside the node that may be running there: SQLite and the secrets file allow it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { SecretStore } from '../../core/ports/secret-store.ts';
import { loadMasterKey } from '../../stores/crypto/master-key.ts';
import { createEncryptedSecretFile } from '../../stores/files/encrypted-secret-file.ts';
import { openSqliteLedger } from '../../stores/sqlite/open-sqlite-ledger.ts';

export const ledgerPath = (home: string) => join(home, 'ledger.db');

export interface HomeStores {
  /** The ledger, opened at the first use. `mayCreate` is for what is set up before the first `holdfast up`. */
  ledger(options?: { mayCreate?: boolean }): Ledger;
  secrets(): SecretStore;
  close(): Promise<void>;
}

export function openHomeStores(home: string, env: NodeJS.ProcessEnv): HomeStores {
  let opened: Ledger | null = null;
  return {
    ledger({ mayCreate = false } = {}) {
      if (opened) return opened;
      if (!mayCreate && !existsSync(ledgerPath(home))) {
        throw new HoldfastError(
          'not_found',
          `There is no ledger in ${home}. Start \`holdfast up\` once, or name the right home: HOLDFAST_HOME=<directory>.`,
        );
      }
      // The key first: it makes the home.
      const masterKey = loadMasterKey({ home, env });
      opened = openSqliteLedger({ path: ledgerPath(home), masterKey }).ledger;
      return opened;
    },
    secrets() {
      const masterKey = loadMasterKey({ home, env });
      return createEncryptedSecretFile({ path: join(home, 'secrets.json'), masterKey });
    },
    async close() {
      await opened?.close();
    },
  };
}
