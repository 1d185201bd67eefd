/** The money of attempts whose outcome was lost: the truth when it arrives late, the hold when it never does. */
import type { AttemptCharge, Ledger } from '../../core/ports/ledger.ts';
import { totalCost } from './attempts.ts';
import { toNullableJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import type { AttemptsTable, Tx } from './schema.ts';

const BATCH = 200;

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

async function book(parts: LedgerParts, tx: Tx, key: { callId: string; n: number }, cost: bigint): Promise<void> {
  const touched = await parts.holds.charge(tx, key, cost);
  await parts.budgetAlerts.report(tx, touched, parts.now());
  const call = await parts.calls.get(tx, key.callId);
  if (call.state !== 'ended') return;
  const total = totalCost(await parts.attempts.ofCall.all(tx, { callId: key.callId }));
  await parts.calls.setCost(tx, key.callId, total.cost, total.pricing);
}

export function createAbandon(parts: LedgerParts): Pick<Ledger, 'abandonUnknown'> {
  const abandonBatch = (startedBefore: number): Promise<number> =>
    parts.write(async (tx) => {
      const rows = await parts.attempts.unknownBefore.all(tx, { startedBefore, limit: BATCH });
      for (const row of rows) {
        const key = { callId: row.call_id, n: row.n };
        const cost = row.worst_case_nano_usd;
        await parts.attempts.book.run(tx, {
          ...key,
          state: 'abandoned',
          cost,
          pricing: cost === null ? 'unpriced' : 'estimated',
        });
        await book(parts, tx, key, cost ?? 0n);
      }
      return rows.length;
    });

  return {
    async abandonUnknown(startedBefore) {
      let abandoned = 0;
      for (;;) {
        const count = await abandonBatch(startedBefore);
        abandoned += count;
        if (count < BATCH) return abandoned;
      }
    },
  };
}
