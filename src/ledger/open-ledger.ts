/** Opens the ledger that the configuration names. */
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.ts';
import type { SecretStore } from '../core/ports/secret-store.ts';
import type { LedgerStore } from '../core/settings.ts';
import { parseCredentialReference } from '../credentials/credential-reference.ts';
import { openPostgresLedger, type SchemaUse } from '../stores/postgres/open-postgres-ledger.ts';
import type { LedgerStores } from '../stores/sql/sql-ledger.ts';
import { openSqliteLedger } from '../stores/sqlite/open-sqlite-ledger.ts';

export interface OpenLedgerOptions {
  store: LedgerStore;
  /** Where the file of SQLite is. */
  home: string;
  /** 32 bytes, see `loadMasterKey`. */
  masterKey: Uint8Array;
  /** For a URL that is given as `secret:NAME`. */
  secrets: Pick<SecretStore, 'resolve'>;
  /** For a URL that is given as `env:NAME`. */
  env: Readonly<Record<string, string | undefined>>;
  /** What may be done to the schema of a ledger in PostgreSQL; a file is always brought up to date. Default `upgrade`. */
  schema?: SchemaUse;
}

export const ledgerPath = (home: string) => join(home, 'ledger.db');

/** @throws HoldfastError `invalid_request` when the URL is missing or is none, `engine_unavailable` as the stores do. */
export async function openLedger(options: OpenLedgerOptions): Promise<LedgerStores> {
  const { store, home, masterKey } = options;
  if (store.kind === 'sqlite') return openSqliteLedger({ path: ledgerPath(home), masterKey });
  const url = await storeUrlOf('stores.postgresUrl', store.urlReference, options);
  return openPostgresLedger({ url, masterKey, ...(options.schema && { schema: options.schema }) });
}

/** Reads the URL at the moment it is needed. It holds a password, so it stays out of settings, logs and errors. */
export async function storeUrlOf(
  setting: 'stores.postgresUrl' | 'stores.redisUrl',
  reference: string,
  { secrets, env }: Pick<OpenLedgerOptions, 'secrets' | 'env'>,
): Promise<string> {
  const { source, name } = parseCredentialReference(reference);
  const url = source === 'env' ? env[name] : (await secrets.resolve(name))?.value;
  if (url) return url;
  const fix = source === 'env' ? `Set ${name}` : `Store it: holdfast secrets set ${name}`;
  throw new HoldfastError('invalid_request', `${setting} refers to ${reference}, and there is none. ${fix}.`, {
    param: setting,
  });
}
