/** Retention. Works in batches, so that calls never wait long for the write lock. */
import type { Ledger } from '../../core/ports/ledger.ts';
import type { SqlContext } from './context.ts';
import { prepare } from './prepared.ts';
import type { Prepared } from './prepared.ts';

const BATCH = 500;

/** @param clearErased deletes the payloads of destroyed keys, and gives their number. */
export function createPrune(context: SqlContext, clearErased: () => Promise<number>): Pick<Ledger, 'prune'> {
  const { db, locks } = context;
  // Rows that another transaction has in hand are passed over: a claim or a payload may be renewed at this moment, and
  // another node may be pruning.
  //
  // An attempt of unknown outcome still holds money: its call stays until that is booked.
  const calls = prepare((p: { before: number; limit: number }) =>
    db.deleteFrom('calls').where(
      'id',
      'in',
      locks.freeRows(
        db
          .selectFrom('calls')
          .select('id')
          .where('state', '=', 'ended')
          .where('ended_at', '<', p.before)
          .where((eb) =>
            eb.not(
              eb.exists(
                eb
                  .selectFrom('attempts')
                  .select('n')
                  .whereRef('attempts.call_id', '=', 'calls.id')
                  .where('attempts.state', '=', 'unknown'),
              ),
            ),
          )
          .limit(p.limit),
      ),
    ),
  );
  // The row counts the generations of a key: without it a next call would get the id of one that is still there.
  const idempotency = prepare((p: { before: number; limit: number }) =>
    db.deleteFrom('idempotency').where((eb) =>
      eb(
        eb.refTuple('tenant', 'idem_key'),
        'in',
        locks
          .freeRows(
            eb
              .selectFrom('idempotency as expired')
              .select(['expired.tenant', 'expired.idem_key'])
              .where('expired.expires_at', '<=', p.before)
              .where((inner) =>
                inner.not(
                  inner.exists(inner.selectFrom('calls').select('id').whereRef('calls.id', '=', 'expired.call_id')),
                ),
              )
              .limit(p.limit),
          )
          .$asTuple('tenant', 'idem_key'),
      ),
    ),
  );
  // A call that has not ended still needs its request.
  const payloads = prepare((p: { before: number; limit: number }) =>
    db.deleteFrom('payloads').where(
      'ref',
      'in',
      locks.freeRows(
        db
          .selectFrom('payloads')
          .select('ref')
          .where('expires_at', '<=', p.before)
          .where((eb) =>
            eb.not(
              eb.exists(
                eb
                  .selectFrom('calls')
                  .select('id')
                  .where('calls.state', '<>', 'ended')
                  .whereRef('calls.request_ref', '=', 'payloads.ref'),
              ),
            ),
          )
          .limit(p.limit),
      ),
    ),
  );

  const inBatches = async (statement: Prepared<{ before: number; limit: number }, unknown>, before: number) => {
    let deleted = 0;
    for (;;) {
      const count = await context.write((tx) => statement.run(tx, { before, limit: BATCH }));
      deleted += count;
      if (count < BATCH) return deleted;
    }
  };

  return {
    async prune(now, callRetentionMs) {
      return {
        calls: await inBatches(calls, now - callRetentionMs),
        idempotency: await inBatches(idempotency, now),
        payloads: (await clearErased()) + (await inBatches(payloads, now)),
      };
    },
  };
}
