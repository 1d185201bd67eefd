import type { Database, Tx } from './schema.ts';

export type Clock = () => number;

/** What the parts of the ledger work with. */
export interface SqlContext {
  db: Database;
  now: Clock;
  /** One writing transaction. It takes the write lock at once, so what it read stays true until it commits. */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** One reading transaction: all its statements see the same state. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

export interface SqlContextOptions {
  db: Database;
  now: Clock;
  /** Runs writing transactions; default one by one. A store may put several into one commit. */
  runWrite?: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /** Turns the driver's errors into catalogue errors; gives back what it does not know. */
  translateError(error: unknown): unknown;
}

export function createSqlContext({ db, now, runWrite, translateError }: SqlContextOptions): SqlContext {
  const write: SqlContext['write'] = runWrite ?? ((work) => db.transaction().execute(work));
  const translated = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw translateError(error);
    }
  };
  return {
    db,
    now,
    write: (work) => translated(() => write(work)),
    read: (work) => translated(() => db.transaction().setAccessMode('read only').execute(work)),
  };
}
