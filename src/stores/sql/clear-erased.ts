/**
 * What an erasure leaves behind: rows of calls with references, texts and the user's id, and payloads that nobody can open.
 * Cleared in small transactions after the one that destroyed the keys; its row in `erasures` stays until nothing is left.
 */
import type { ExpressionBuilder } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { createErasedUsers, type ErasedScope } from './erased-users.ts';
import { admissionWithoutUser, errorWithoutText, failureWithoutText, withoutSubject } from './erased-text.ts';
import type { LedgerParts } from './parts.ts';
import { prepare } from './prepared.ts';
import type { CallsTable, ErasuresTable, Tables, Tx } from './schema.ts';

const BATCH = 200;
/** Rows that another transaction has in hand are passed over; so often it is looked whether they are free by now. */
const LOOKS = 6;
const FIRST_WAIT_MS = 50;
/** Of a body hash: no hash is like it. */
const ERASED_HASH = 'erased';

export interface Cleared {
  calls: number;
  payloads: number;
  /** Nothing is left. */
  isDone: boolean;
}

export type ClearErased = ReturnType<typeof createClearErased>;

export function createClearErased(parts: LedgerParts) {
  const { db, locks } = parts;
  const users = createErasedUsers(parts);

  const clearCall = prepare((p: Pick<CallsTable, 'id' | 'tags' | 'error' | 'admission'> & { erased_at: number }) =>
    db
      .updateTable('calls')
      .set({
        request_ref: null,
        answer_ref: null,
        tags: p.tags,
        error: p.error,
        admission: p.admission,
        door: null,
        repeat_hash: null,
        erased_at: p.erased_at,
      })
      .where('id', '=', p.id),
  );
  const clearAttempt = prepare((p: { callId: string; n: number; failure: string | null }) =>
    db
      .updateTable('attempts')
      .set({ answer_ref: null, failure: p.failure })
      .where('call_id', '=', p.callId)
      .where('n', '=', p.n),
  );
  const clearClaims = prepare((p: { callId: string }) =>
    db.updateTable('idempotency').set({ body_hash: ERASED_HASH }).where('call_id', '=', p.callId),
  );
  const unreadable = () =>
    db
      .selectFrom('payloads')
      .select('ref')
      .where('key_id', 'in', (eb) =>
        eb.selectFrom('data_keys').select('id').where('state', '=', 'destroyed').where('purpose', '=', 'payloads'),
      );
  const someUnreadable = prepare((p: { limit: number }) => unreadable().limit(p.limit));
  const deleteUnreadable = prepare((p: { limit: number }) =>
    db.deleteFrom('payloads').where('ref', 'in', locks.freeRows(unreadable().limit(p.limit))),
  );
  const pending = prepare((_p: object) => db.selectFrom('erasures').selectAll().orderBy('at'));
  const finished = prepare((p: { id: string }) => db.deleteFrom('erasures').where('id', '=', p.id));

  /** Calls of the erasure that are not cleared. A newer one of the same subject has a request that can be opened. */
  const left = ({ tenant, subject, up_to: upTo }: ErasuresTable, after: CallPosition | null) =>
    db
      .selectFrom('calls')
      .selectAll()
      .where(within({ tenant, subject }))
      .where('erased_at', 'is', null)
      .where('state', '=', 'ended')
      .where('created_at', '<=', upTo)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('payloads')
              .innerJoin('data_keys', 'data_keys.id', 'payloads.key_id')
              .select('payloads.ref')
              .whereRef('payloads.ref', '=', 'calls.request_ref')
              .where('data_keys.state', '<>', 'destroyed'),
          ),
        ),
      )
      .$if(after !== null, (query) =>
        query.where((eb) =>
          eb(eb.refTuple('created_at', 'id'), '>', eb.tuple(after?.created_at ?? 0, after?.id ?? '')),
        ),
      )
      .orderBy('created_at')
      .orderBy('id');

  const clearOne = async (tx: Tx, call: CallsTable, erasedAt: number): Promise<void> => {
    const { id, tags, error, admission } = call;
    await clearClaims.run(tx, { callId: id });
    for (const { n, failure } of await parts.attempts.ofCall.all(tx, { callId: id })) {
      await clearAttempt.run(tx, { callId: id, n, failure: failureWithoutText(failure) });
    }
    await clearCall.run(tx, {
      id,
      tags: withoutSubject(tags),
      error: errorWithoutText(error),
      admission: admissionWithoutUser(admission),
      erased_at: erasedAt,
    });
  };

  const clearBatch = (erasure: ErasuresTable, after: CallPosition | null): Promise<CallsTable[]> =>
    parts.write(async (tx) => {
      const query = locks.freeRows(left(erasure, after).limit(BATCH));
      const { rows } = await tx.executeQuery(query.compile());
      for (const call of rows) await clearOne(tx, call, erasure.at);
      // Windows come after calls in the order of locks.
      await users.rename(tx, rows);
      return rows;
    });

  const clearCalls = async (erasure: ErasuresTable): Promise<number> => {
    let cleared = 0;
    for (let after: CallPosition | null = null; ;) {
      const rows: CallsTable[] = await clearBatch(erasure, after);
      cleared += rows.length;
      after = rows.at(-1) ?? after;
      if (rows.length < BATCH) return cleared;
    }
  };

  const isAnyLeft = (erasure: ErasuresTable) =>
    parts.read(async (tx) => (await tx.executeQuery(left(erasure, null).limit(1).compile())).rows.length > 0);

  /** Works until a look finds nothing left, a bounded number of times. */
  const untilNoneLeft = async (work: () => Promise<number>, isLeft: () => Promise<boolean>) => {
    let count = 0;
    for (let look = 0; look < LOOKS; look += 1) {
      if (look > 0) await sleep(FIRST_WAIT_MS * 2 ** (look - 1));
      count += await work();
      if (!(await isLeft())) return { count, isDone: true };
    }
    return { count, isDone: false };
  };

  const deletePayloads = () =>
    untilNoneLeft(
      async () => {
        for (let deleted = 0; ;) {
          const count = await parts.write((tx) => deleteUnreadable.run(tx, { limit: BATCH }));
          deleted += count;
          if (count < BATCH) return deleted;
        }
      },
      () => parts.read(async (tx) => (await someUnreadable.all(tx, { limit: 1 })).length > 0),
    );

  const clear = async (erasure: ErasuresTable): Promise<{ count: number; isDone: boolean }> => {
    const calls = await untilNoneLeft(
      () => clearCalls(erasure),
      () => isAnyLeft(erasure),
    );
    if (!calls.isDone) return calls;
    await users.renameRest(erasure, erasure.up_to);
    await parts.write((tx) => finished.run(tx, { id: erasure.id }));
    return calls;
  };

  return {
    hasBudgets: users.hasBudgets,
    /** After the erasure itself. */
    async clear(erasure: ErasuresTable): Promise<Cleared> {
      const calls = await clear(erasure);
      const payloads = await deletePayloads();
      return { calls: calls.count, payloads: payloads.count, isDone: calls.isDone && payloads.isDone };
    },
    /** What processes left that died in between. Gives the number of payloads deleted. */
    async clearPending(): Promise<number> {
      for (const erasure of await parts.read((tx) => pending.all(tx, {}))) await clear(erasure);
      return (await deletePayloads()).count;
    },
  };
}

interface CallPosition {
  created_at: number;
  id: string;
}

/** The calls of a tenant, of a subject, or of a subject in a tenant. */
export function within({ tenant, subject }: ErasedScope) {
  return (eb: ExpressionBuilder<Tables, 'calls'>) =>
    eb.and([
      ...(tenant === null ? [] : [eb('tenant', '=', tenant)]),
      ...(subject === null ? [] : [eb('subject', '=', subject)]),
    ]);
}
