/**
 * What a writing transaction locks. On SQLite it is alone from its first statement on, and these do nothing. Elsewhere
 * several write at once, and every verb takes its locks in one order, or two of them could wait on each other:
 * the claimed key or the data keys' name, the call, the data key, the payload, the budget windows (sorted), the audit chain.
 * Where the order is broken, as by a change of the master key beside one who makes a data key, the server undoes one of the two,
 * which is run again.
 */
import type { Tx } from './schema.ts';

/**
 * Taken by name before anything else by whoever goes through data keys by their scope. An erasure beside a rotation would not
 * see the keys that this one has just made, and the rotation would move to them what the erasure takes for unreadable.
 */
export const ALL_DATA_KEYS = 'data-keys';

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
