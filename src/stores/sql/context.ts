import { noLocks } from './locks.ts';
import type { Locks } from './locks.ts';
import type { Database, Tx } from './schema.ts';

export type Clock = () => number;

/** What the parts of the ledger work with. */
export interface SqlContext {
  db: Database;
  now: Clock;
  locks: Locks;
  /**
   * One writing transaction; its work may run more than once. What it read under a lock stays true until it commits, and
   * where writers are alone that is everything.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** One reading transaction: all its statements see the same state. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

export type RunTransaction = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

export interface SqlContextOptions {
  db: Database;
  now: Clock;
  /** Where several transactions write at once; default `noLocks`. */
  locks?: Locks;
  /** Runs writing transactions; default one by one. A store may put several into one commit, or try one again. */
  runWrite?: RunTransaction;
  /** Runs reading transactions; default `read only`. */
  runRead?: RunTransaction;
  /** Turns the driver's errors into catalogue errors; gives back what it does not know. */
  translateError(error: unknown): unknown;
}

export function createSqlContext(options: SqlContextOptions): SqlContext {
  const { db, now, locks = noLocks, translateError } = options;
  const write: RunTransaction = options.runWrite ?? ((work) => db.transaction().execute(work));
  const read: RunTransaction = options.runRead ?? ((work) => db.transaction().setAccessMode('read only').execute(work));
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
    locks,
    write: (work) => translated(() => write(work)),
    read: (work) => translated(() => read(work)),
  };
}
