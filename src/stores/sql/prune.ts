/** Retention. Works in batches, so that calls never wait long for the write lock. */
import type { ExpressionBuilder } from 'kysely';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { LedgerParts } from './parts.ts';
import { DamagedPayloadError } from './payloads.ts';
import { prepare } from './prepared.ts';
import type { Prepared } from './prepared.ts';
import type { Tables, Tx } from './schema.ts';

const BATCH = 500;
const DAY_MS = 24 * 3_600_000;
/** The longest period, and the longest that a call can run: no call that is kept has a hold in an older window. */
const WINDOW_GRACE_MS = 33 * DAY_MS;
/** How much longer a request is kept that an open call needs beyond its time; then it is looked at again. */
const PROLONG_MS = 3_600_000;

/** @param clearErased deletes the payloads of destroyed keys, and gives their number. */
export function createPrune(context: LedgerParts, clearErased: () => Promise<number>): Pick<Ledger, 'prune'> {
  const { db, locks } = context;
  // Rows that another transaction has in hand are passed over: a claim or a payload may be renewed at this moment, and
  // another node may be pruning.
  //
  // An attempt of unknown outcome still holds money: its call stays until that is booked. A key that still stands for a call
  // would pay for it again without it.
  const calls = prepare((p: { before: number; now: number; limit: number }) =>
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
          .where((eb) =>
            eb.not(
              eb.exists(
                eb
                  .selectFrom('idempotency')
                  .select('idem_key')
                  .whereRef('idempotency.call_id', '=', 'calls.id')
                  .where('idempotency.expires_at', '>', p.now),
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
    db
      .deleteFrom('payloads')
      .where(
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
      )
      .returning('key_id'),
  );

  // The audit log says who destroyed it, and when.
  const usedUpKeys = prepare((p: { limit: number }) =>
    db
      .deleteFrom('data_keys')
      .where(
        'id',
        'in',
        locks.freeRows(
          db
            .selectFrom('data_keys')
            .select('id')
            .where('state', '<>', 'active')
            .where('purpose', '=', 'payloads')
            .where(sealsNothing)
            .limit(p.limit),
        ),
      ),
  );

  /**
   * Of these keys, those of subjects that seal nothing any more, or there would be one for ever of everyone who ever called. In
   * two statements: the locks of the first keep writers off, and only the second is sure to see what they had written before.
   * A writer that knows the key from before finds it gone, and begins again with a new one.
   */
  const deleteIdleKeys = async (tx: Tx, ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    const idle = await locks
      .freeRows(
        tx
          .selectFrom('data_keys')
          .select('id')
          .where('id', 'in', ids)
          .where('state', '=', 'active')
          .where('subject', '<>', '')
          .where(sealsNothing),
      )
      .execute();
    const found = idle.map(({ id }) => id);
    if (found.length > 0) await tx.deleteFrom('data_keys').where('id', 'in', found).where(sealsNothing).execute();
  };

  // Sums of periods that are long over. What still holds money waits for its attempt; a total has no end.
  const windows = prepare((p: { before: number; limit: number }) =>
    db
      .deleteFrom('budget_windows')
      .where((eb) =>
        eb(
          eb.refTuple('scope', 'period', 'window_start'),
          'in',
          locks
            .freeRows(
              eb
                .selectFrom('budget_windows as over')
                .select(['over.scope', 'over.period', 'over.window_start'])
                .where('over.period', '<>', 'total')
                .where('over.window_start', '<', p.before)
                .where('over.held_nano_usd', '=', 0n)
                .limit(p.limit),
            )
            .$asTuple('scope', 'period', 'window_start'),
        ),
      ),
  );

  const openBeyondTime = prepare((p: { before: number; after: string; limit: number }) =>
    db
      .selectFrom('calls')
      .innerJoin('payloads', 'payloads.ref', 'calls.request_ref')
      .select(['calls.id', 'payloads.ref'])
      .where('calls.state', '<>', 'ended')
      .where('calls.id', '>', p.after)
      .where('payloads.expires_at', '<=', p.before)
      .orderBy('calls.id')
      .limit(p.limit),
  );

  /** Gives the calls whose requests are damaged: they must not keep everything else from being pruned. */
  const keepWhatOpenCallsNeed = async (before: number): Promise<string[]> => {
    const damaged: string[] = [];
    for (let after = ''; ;) {
      const needed = await context.read((tx) => openBeyondTime.all(tx, { before, after, limit: BATCH }));
      for (const { id, ref } of needed) {
        try {
          await context.write((tx) => context.payloads.prolong(tx, ref, before + PROLONG_MS));
        } catch (error) {
          // Nothing else may be passed over: what an open call needs would be deleted below.
          if (!(error instanceof DamagedPayloadError)) throw error;
          damaged.push(id);
        }
      }
      if (needed.length < BATCH) return damaged;
      after = needed.at(-1)?.id ?? after;
    }
  };

  const deleteUsedUpKeys = async () => {
    while ((await context.write((tx) => usedUpKeys.run(tx, { limit: BATCH }))) === BATCH);
  };

  /** Gives the number of payloads. Their keys go with them in one transaction, so that none is forgotten. */
  const deletePayloads = async (before: number): Promise<number> => {
    for (let deleted = 0; ;) {
      const count = await context.write(async (tx) => {
        const rows = await payloads.all(tx, { before, limit: BATCH });
        await deleteIdleKeys(tx, [...new Set(rows.flatMap(({ key_id: id }) => id ?? []))]);
        return rows.length;
      });
      deleted += count;
      if (count < BATCH) return deleted;
    }
  };

  const inBatches = async <P extends { before: number }>(
    statement: Prepared<P & { limit: number }, unknown>,
    bounds: P,
  ) => {
    let deleted = 0;
    for (;;) {
      const count = await context.write((tx) => statement.run(tx, { ...bounds, limit: BATCH }));
      deleted += count;
      if (count < BATCH) return deleted;
    }
  };

  return {
    async prune(now, callRetentionMs) {
      const damaged = await keepWhatOpenCallsNeed(now);
      const pruned = {
        damaged,
        calls: await inBatches(calls, { before: now - callRetentionMs, now }),
        idempotency: await inBatches(idempotency, { before: now }),
        payloads: (await clearErased()) + (await deletePayloads(now)),
        windows: await inBatches(windows, { before: now - callRetentionMs - WINDOW_GRACE_MS }),
      };
      await deleteUsedUpKeys();
      return pruned;
    },
  };
}

function sealsNothing(eb: ExpressionBuilder<Tables, 'data_keys'>) {
  return eb.not(eb.exists(eb.selectFrom('payloads').select('ref').whereRef('payloads.key_id', '=', 'data_keys.id')));
}
