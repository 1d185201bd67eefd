/** The row of a call at its end: the total is fixed, others are told. Holds are the caller's business. */
import type { Admission, Settlement } from '../../core/call/types.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import { totalCost } from './attempts.ts';
import type { AuditLog } from './audit.ts';
import { callView } from './call-view.ts';
import type { Calls } from './calls.ts';
import { fromNullableJsonText, toNullableJsonText } from './json-text.ts';
import type { Outbox } from './outbox.ts';
import type { AttemptsTable, CallsTable, Tx } from './schema.ts';

interface EndOptions {
  /** Where its client waits, if anywhere, the answer is not: it stays owed to it. Default false. */
  staysOwed?: boolean;
}

export type EndCall = ReturnType<typeof createEndCall>;

export function createEndCall({ calls, outbox, audit }: { calls: Calls; outbox: Outbox; audit: AuditLog }) {
  return async (
    tx: Tx,
    call: CallsTable,
    attempts: readonly AttemptsTable[],
    settlement: Settlement,
    now: number,
    { staysOwed = false }: EndOptions = {},
  ): Promise<CallView> => {
    const ended = endedCall(staysOwed ? call : { ...call, door: null, repeat_hash: null }, settlement, attempts, now);
    await calls.end(tx, {
      id: call.id,
      outcome: settlement.outcome,
      endedAt: now,
      answerRef: ended.answer_ref,
      error: ended.error,
      cost: ended.cost_nano_usd,
      pricing: ended.pricing,
      door: ended.door,
      repeatHash: ended.repeat_hash,
    });
    await outbox.append(tx, 'call-end', now, endEvent(ended, attempts));
    if (settlement.outcome === 'denied') await audit.append(tx, now, denial(ended, settlement));
    return callView(ended, attempts);
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
