import type { DatabaseSync, StatementSync, SQLInputValue } from 'node:sqlite';
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely';

const MAX_CACHED_STATEMENTS = 256;
const MONEY_COLUMN = '_nano_usd';

interface CachedStatement {
  statement: StatementSync;
  isReader: boolean;
  /** Integer columns that must become numbers again when the statement reads bigints for the sake of a money column. */
  numberColumns: string[];
}

/**
 * The one connection. Statements are cached by their text. A statement that reads a money column (its name ends in
 * `_nano_usd`) reads every integer as bigint, because node:sqlite throws beyond 2^53; the other columns are then
 * turned back into numbers.
 */
export class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, CachedStatement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- Kysely's interface is asynchronous, node:sqlite is not
  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { statement, isReader, numberColumns } = this.#prepare(query.sql);
    const parameters = query.parameters as SQLInputValue[];
    if (!isReader) {
      const { changes, lastInsertRowid } = statement.run(...parameters);
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
    }
    const rows = statement.all(...parameters);
    for (const row of rows) {
      for (const column of numberColumns) if (typeof row[column] === 'bigint') row[column] = Number(row[column]);
    }
    return { rows: rows as R[], numAffectedRows: BigInt(rows.length) };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the ledger pages; nothing streams
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('the SQLite ledger does not stream queries');
  }

  execute(sql: string): void {
    this.#database.exec(sql);
  }

  get isInTransaction(): boolean {
    return this.#database.isTransaction;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(sql: string): CachedStatement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    const columns = statement.columns().map((column) => column.name);
    const readsMoney = columns.some((column) => column.endsWith(MONEY_COLUMN));
    if (readsMoney) statement.setReadBigInts(true);
    const entry = {
      statement,
      isReader: columns.length > 0,
      numberColumns: readsMoney ? columns.filter((column) => !column.endsWith(MONEY_COLUMN)) : [],
    };
    const oldest = this.#statements.keys().next();
    if (this.#statements.size >= MAX_CACHED_STATEMENTS && !oldest.done) this.#statements.delete(oldest.value);
    this.#statements.set(sql, entry);
    return entry;
  }
}
