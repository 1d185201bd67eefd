/* eslint-disable @typescript-eslint/require-await -- Kysely's driver is asynchronous, node:sqlite is not */
/**
 * Kysely on node:sqlite: one connection, taken in the order of asking. Kysely's own dialect issues a plain `begin`; in
 * WAL mode a transaction that reads and then writes would fail with SQLITE_BUSY_SNAPSHOT whatever the busy timeout, so
 * writing transactions are `begin immediate`.
 */
import type { DatabaseSync } from 'node:sqlite';
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { DatabaseConnection, Dialect, Driver, Kysely, TransactionSettings } from 'kysely';
import { Mutex } from './mutex.ts';
import { SqliteConnection } from './sqlite-connection.ts';

export function createSqliteDialect(database: DatabaseSync): Dialect {
  return {
    createAdapter: () => new QueueingSqliteAdapter(),
    createDriver: () => new SqliteDriver(database),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** Says "several connections" so that Kysely leaves the queueing to the driver: its own lock wakes every waiter each time. */
class QueueingSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class SqliteDriver implements Driver {
  readonly #connection: SqliteConnection;
  readonly #mutex = new Mutex();

  constructor(database: DatabaseSync) {
    this.#connection = new SqliteConnection(database);
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#mutex.lock();
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    this.#mutex.unlock();
  }

  async beginTransaction(_connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    this.#connection.execute(settings.accessMode === 'read only' ? 'begin' : 'begin immediate');
  }

  async commitTransaction(): Promise<void> {
    this.#connection.execute('commit');
  }

  async rollbackTransaction(): Promise<void> {
    // A full disk or an I/O error already rolled back; a second rollback would hide that error behind its own.
    if (this.#connection.isInTransaction) this.#connection.execute('rollback');
  }

  async destroy(): Promise<void> {
    this.#connection.close();
  }
}
