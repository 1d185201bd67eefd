import { sql } from 'kysely';
import type { Locks } from '../sql/locks.ts';

/**
 * Row locks, and advisory locks for names. Writers of one call come one after the other, those of different calls meet
 * only at the budgets they share. `no key`, so that rows which refer to the call can be inserted meanwhile. Two names with one hash
 * only wait for each other.
 */
export const postgresLocks: Locks = {
  rows: (query) => query.forNoKeyUpdate(),
  shared: (query) => query.forShare(),
  freeRows: (query) => query.forUpdate().skipLocked(),
  async name(tx, name) {
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(tx);
  },
};
