/** The end of a call: holds become charges, the total is fixed, others are told. The first settlement stands. */
import type { Admission, Settlement } from '../../core/call/types.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import { totalCost } from './attempts.ts';
import { callView } from './call-view.ts';
import { fromNullableJsonText, toNullableJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import type { AttemptsTable, CallsTable, Tx } from './schema.ts';

export function createSettle(parts: LedgerParts): Pick<Ledger, 'settle'> {
  const { calls, attempts, holds } = parts;

  /** Gives the attempt as it stands afterwards; null when it never left and its row is gone. */
  const settleAttempt = async (tx: Tx, row: AttemptsTable, now: number): Promise<AttemptsTable | null> => {
    const key = { callId: row.call_id, n: row.n };
    switch (row.state) {
      case 'answered': {
        await attempts.setState.run(tx, { ...key, state: 'settled' });
        const touched = await holds.charge(tx, key, row.cost_nano_usd ?? 0n);
        await parts.budgetAlerts.report(tx, touched, now);
        return { ...row, state: 'settled' };
      }
      case 'reserved':
        await holds.release(tx, key);
        await attempts.remove.run(tx, key);
        return null;
      case 'dispatched':
      case 'streaming': {
        const reason = 'the call ended before the attempt reported';
        await attempts.setUnknown.run(tx, { ...key, epoch: row.epoch, endedAt: now, reason });
        return { ...row, state: 'unknown', pricing: 'estimated', ended_at: now, error_code: 'outcome_unknown' };
      }
      case 'settled':
      case 'failed':
      case 'unknown':
      case 'reconciled':
      case 'abandoned':
        return row;
    }
  };

  return {
    settle: (settlement, { unlessDispatched = false } = {}) =>
      parts.write(async (tx) => {
        const call = await calls.get(tx, settlement.callId);
        const rows = await attempts.ofCall.all(tx, { callId: call.id });
        if (call.state === 'ended') return callView(call, rows);
        if (unlessDispatched && rows.some(({ state }) => state !== 'reserved')) return callView(call, rows);
        const now = parts.now();
        const settled: AttemptsTable[] = [];
        for (const row of rows) {
          const after = await settleAttempt(tx, row, now);
          if (after) settled.push(after);
        }
        const ended = endedCall(call, settlement, settled, now);
        await calls.end(tx, {
          id: call.id,
          outcome: settlement.outcome,
          endedAt: now,
          answerRef: ended.answer_ref,
          error: ended.error,
          cost: ended.cost_nano_usd,
          pricing: ended.pricing,
        });
        await parts.outbox.append(tx, 'call-end', now, endEvent(ended, settled));
        if (settlement.outcome === 'denied') await parts.audit.append(tx, now, denial(ended, settlement));
        return callView(ended, settled);
      }),
  };
}

function endedCall(
  call: CallsTable,
  settlement: Settlement,
  attempts: readonly AttemptsTable[],
  now: number,
): CallsTable {
  const { cost, pricing } = totalCost(attempts);
  return {
    ...call,
    state: 'ended',
    outcome: settlement.outcome,
    ended_at: now,
    answer_ref: settlement.answerRef,
    error: toNullableJsonText(settlement.error),
    cost_nano_usd: cost,
    pricing,
  };
}

/** Who was refused what, and by which decision. */
function denial(call: CallsTable, { error }: Settlement) {
  const admission = fromNullableJsonText<Admission>(call.admission);
  return {
    actor: `${call.tenant}/${call.key_name ?? '(open)'}`,
    action: 'call.deny',
    subject: call.id,
    details: {
      model: call.model,
      code: error?.code ?? null,
      decisionId: admission && !admission.allowed ? admission.decisionId : null,
    },
  };
}

/** Ids and figures: the outbox leaves this process, so content and error texts stay out. */
function endEvent(call: CallsTable, attempts: readonly AttemptsTable[]) {
  const last = attempts.at(-1);
  return {
    callId: call.id,
    tenant: call.tenant,
    key: call.key_name,
    kind: call.kind,
    model: call.model,
    outcome: call.outcome,
    durationMs: (call.ended_at ?? call.created_at) - call.created_at,
    costNanoUsd: call.cost_nano_usd.toString(),
    pricing: call.pricing,
    attempts: attempts.length,
    provider: last?.provider ?? null,
    providerModel: last?.model ?? null,
  };
}
