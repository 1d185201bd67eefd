/** The embedded ledger: one SQLite file, safe for several processes, synchronous to disk. */
import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import type { Tables } from '../sql/schema.ts';
import { createSqlLedger, type LedgerStores } from '../sql/sql-ledger.ts';
import { backupDatabase } from './backup.ts';
import { emptyLog } from './empty-log.ts';
import { checkMasterKey } from './check-master-key.ts';
import { createGroupCommit } from './group-commit.ts';
import { migrate } from './migrate.ts';
import { createSqliteDialect } from './sqlite-dialect.ts';
import { fromSqliteError } from './sqlite-error.ts';

const BUSY_TIMEOUT_MS = 5000;

export interface SqliteLedgerOptions {
  /** The database file; made, with mode 0600, when it is missing. */
  path: string;
  /** 32 bytes, see `loadMasterKey`. */
  masterKey: Uint8Array;
  /** Unix milliseconds; default `Date.now`. */
  clock?: () => number;
  /** How long a transaction waits for another process, in milliseconds. Default 5000. */
  busyTimeoutMs?: number;
  /** Bounds the file, in pages of 4096 bytes; a transaction beyond it fails as on a full disk. Default: no bound. */
  maxPages?: number;
}

/**
 * Opens or makes the ledger and brings its schema up to date.
 * @throws HoldfastError `engine_unavailable` when the file cannot be opened, is damaged, or is newer than this version, or
 * when the master key is not the one that its payloads were sealed with.
 */
export function openSqliteLedger(options: SqliteLedgerOptions): LedgerStores {
  const database = openDatabase(options);
  const db = new Kysely<Tables>({ dialect: createSqliteDialect(database) });
  return createSqlLedger({
    db,
    runWrite: createGroupCommit(db),
    masterKey: options.masterKey,
    now: options.clock ?? Date.now,
    translateError: fromSqliteError,
    overwriteOld: () => emptyLog(db),
    backup: (path, replace) => backupDatabase(options.path, path, replace),
  });
}

function openDatabase(options: SqliteLedgerOptions): DatabaseSync {
  const { path, masterKey, busyTimeoutMs = BUSY_TIMEOUT_MS, maxPages } = options;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
    chmodSync(path, 0o600);
    // Secure delete: what is deleted must not stay in the file's free space.
    // FULL: an accepted call must survive a power loss; in WAL mode NORMAL may lose the last commits.
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on;');
    if (maxPages !== undefined) database.exec(`pragma max_page_count = ${String(maxPages)}`);
    migrate(database);
    checkMasterKey(database, masterKey);
    return database;
  } catch (error) {
    database?.close();
    throw fromSqliteError(error);
  }
}
