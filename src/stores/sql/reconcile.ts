/** The money of attempts whose outcome was lost: the truth when it arrives late, the hold when it never does. */
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AttemptCharge } from '../../core/ports/ledger/attempts.ts';
import { totalCost } from './attempts.ts';
import type { AttemptKey } from './holds.ts';
import { toNullableJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import type { AttemptsTable, Tx } from './schema.ts';

const BATCH = 64;

/** Books what an `unknown` attempt of an ended call really cost. No charge means that it cost nothing. */
export async function reconcile(
  parts: LedgerParts,
  tx: Tx,
  row: AttemptsTable,
  charge: AttemptCharge | null,
): Promise<void> {
  const key = { callId: row.call_id, n: row.n };
  const cost = charge ? charge.costNanoUsd : 0n;
  await parts.attempts.report.run(tx, {
    ...row,
    ...key,
    state: 'reconciled',
    ended_at: row.ended_at ?? parts.now(),
    usage: toNullableJsonText(charge?.usage),
    raw_usage: toNullableJsonText(charge?.rawUsage),
    cost_nano_usd: cost,
    computed_nano_usd: charge?.computedNanoUsd ?? null,
    pricing: charge?.pricing ?? 'priced',
    catalogue: charge?.catalogue ?? null,
    service_tier: charge?.serviceTier ?? null,
  });
  await book(parts, tx, key, cost ?? 0n);
}

async function book(parts: LedgerParts, tx: Tx, key: AttemptKey, cost: bigint): Promise<void> {
  const touched = await parts.holds.charge(tx, key, cost);
  await parts.budgetAlerts.report(tx, touched, parts.now());
  const call = await parts.calls.get(tx, key.callId);
  if (call.state !== 'ended') return;
  const total = totalCost(await parts.attempts.ofCall.all(tx, { callId: key.callId }));
  await parts.calls.setCost(tx, key.callId, total.cost, total.pricing);
}

export function createReconcile(
  parts: LedgerParts,
): Pick<Ledger, 'unknownAttempts' | 'reconcileUnknown' | 'abandonAttempt' | 'abandonUnknown'> {
  /** A transaction each: locks are taken call by call. False when its truth has come in, or its call is gone. */
  const abandon = (key: AttemptKey): Promise<boolean> =>
    parts.write(async (tx) => {
      await parts.calls.lock(tx, key.callId);
      const row = await parts.attempts.find.first(tx, key);
      if (row?.state !== 'unknown') return false;
      const cost = row.worst_case_nano_usd;
      const pricing = cost === null ? 'unpriced' : 'estimated';
      await parts.attempts.book.run(tx, { ...key, state: 'abandoned', cost, pricing });
      await book(parts, tx, key, cost ?? 0n);
      return true;
    });

  const oldest = (startedBefore: number) =>
    parts.read((tx) => parts.attempts.unknownBefore.all(tx, { startedBefore, limit: BATCH }));

  return {
    unknownAttempts: (startedFrom, limit) =>
      parts.read(async (tx) => {
        const rows = await parts.attempts.unknownWithId.all(tx, { startedFrom, limit });
        return rows.map((row) => ({
          lease: { callId: row.call_id, attempt: row.n, epoch: row.epoch },
          tenant: row.tenant,
          provider: row.provider,
          model: row.model,
          responseId: row.response_id ?? '',
          requestRef: row.request_ref,
          startedAt: row.started_at,
        }));
      }),

    reconcileUnknown: (lease, charge) =>
      parts.write(async (tx) => {
        const call = await parts.calls.lock(tx, lease.callId);
        const row = await parts.attempts.find.first(tx, { callId: lease.callId, n: lease.attempt });
        const isOpen = call?.state === 'ended' && row?.state === 'unknown' && row.epoch === lease.epoch;
        if (isOpen) await reconcile(parts, tx, row, charge);
        return isOpen;
      }),

    abandonAttempt: (callId, attempt) => abandon({ callId, n: attempt }),

    async abandonUnknown(startedBefore) {
      let abandoned = 0;
      for (;;) {
        const rows = await oldest(startedBefore);
        const done = await Promise.all(rows.map((row) => abandon({ callId: row.call_id, n: row.n })));
        abandoned += done.filter(Boolean).length;
        if (rows.length < BATCH) return abandoned;
      }
    },
  };
}
