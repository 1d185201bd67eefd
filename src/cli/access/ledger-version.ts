/** The schema version of a ledger as it stands, and the one that this Holdfast works with. Changes nothing. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { LedgerStore } from '../../core/settings.ts';
import { ledgerPath, storeUrlOf } from '../../ledger/open-ledger.ts';
import { migrations as postgresMigrations } from '../../stores/postgres/migrations.ts';
import { postgresSchemaVersion } from '../../stores/postgres/open-postgres-ledger.ts';
import { migrations as sqliteMigrations } from '../../stores/sqlite/migrations.ts';
import { openHomeStores } from './home-stores.ts';

export interface LedgerVersion {
  /** 0 where there is none. */
  found: number;
  known: number;
}

/** @throws HoldfastError as the stores do when the database cannot be reached. */
export async function ledgerVersion(store: LedgerStore, home: string, env: NodeJS.ProcessEnv): Promise<LedgerVersion> {
  if (store.kind === 'sqlite') return { found: sqliteVersion(ledgerPath(home)), known: sqliteMigrations.length };
  // Lazy: looking must not make a home for a URL that does not come from there.
  const resolve = (secret: string) => openHomeStores(home, env).secrets().resolve(secret);
  const url = await storeUrlOf('stores.postgresUrl', store.urlReference, { secrets: { resolve }, env });
  return { found: await postgresSchemaVersion(url), known: postgresMigrations.length };
}

function sqliteVersion(path: string): number {
  if (!existsSync(path)) return 0;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(database.prepare('select max(version) as version from schema_version').get()?.['version'] ?? 0);
  } finally {
    database.close();
  }
}
