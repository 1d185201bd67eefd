/**
 * What a writing transaction locks. On SQLite it is alone from its first statement on, and these do nothing. Elsewhere
 * several write at once, and every verb takes its locks in one order, or two of them could wait on each other:
 * the claimed key, the call, the data key, the payload, the budget windows (sorted), the audit chain.
 */
import type { Tx } from './schema.ts';

export interface Locks {
  /** Makes a select lock the rows that it gives until the transaction ends. */
  rows<Q extends Lockable<Q>>(query: Q): Q;
  /** Makes a select lock the rows that it gives against change, beside others that do the same. */
  shared<Q extends Lockable<Q>>(query: Q): Q;
  /** Makes a select pass over rows that another transaction has locked, and lock the others. */
  freeRows<Q extends Lockable<Q>>(query: Q): Q;
  /** Takes the lock of this name until the transaction ends: for what has no row yet. */
  name(tx: Tx, name: string): Promise<void>;
}

/** A select, as far as locks are concerned. */
interface Lockable<Q> {
  forNoKeyUpdate(): Q;
  forUpdate(): Q;
  forShare(): Q;
  skipLocked(): Q;
}

export const noLocks: Locks = {
  rows: (query) => query,
  shared: (query) => query,
  freeRows: (query) => query,
  name: () => Promise.resolve(),
};
