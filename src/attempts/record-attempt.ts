/** How an attempt's end goes into the ledger, and from there to the engine and the doors. */
import type { StoredAnswer } from '../core/call/stored-answer.ts';
import { RECORD_PATIENCE_MS } from '../core/call/limits.ts';
import type { AttemptOrder, EndedAttempt } from '../core/call/types.ts';
import type { ErrorRecord } from '../core/errors.ts';
import type { AttemptLease, RecordFailureInput } from '../core/ports/ledger/attempts.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import type { ProviderSettings } from '../core/settings.ts';
import type { DispatchResult } from '../providers/dispatch/dispatcher.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { chargeSafely } from './charge-safely.ts';
import { answered, outcomeUnknown } from './outcomes.ts';
import { untilRecorded } from './until-recorded.ts';

export type BrokenExchange = Extract<DispatchResult, { status: 'failed' }>;

/** What an answer is recorded under. */
export interface AnsweredAttempt {
  order: AttemptOrder;
  provider: ProviderSettings;
  request: CallRequest;
  lease: AttemptLease;
}

/** Records the answer, which ends the call, and tells the doors. */
export async function recordAnswered(
  deps: AttemptDeps,
  { order, provider, request, lease }: AnsweredAttempt,
  stored: StoredAnswer,
  firstTokenAt: number,
): Promise<EndedAttempt> {
  const { answer } = stored;
  const record = {
    lease,
    by: deps.owner,
    answerBytes: Buffer.from(JSON.stringify(stored)),
    payloadTtlMs: deps.payloadTtlMs,
    charge: chargeSafely(deps, provider, order.candidate.model, request, answer),
    responseId: answer.responseId,
    answeredModel: answer.model,
    firstTokenAt,
  };
  // The answer is paid for and in hand, and nowhere else unless its provider keeps it: it is held until the ledger is back, or
  // the engine has given the attempt up.
  const write = async () => {
    await deps.faults?.reach('before-record', order.callId);
    return deps.ledger.recordAnswer(record);
  };
  const written = await untilRecorded(write, order.candidate.background ? 0 : order.deadlineAt + RECORD_PATIENCE_MS);
  if (!written.written) return outcomeUnknown(lease.attempt);
  await deps.faults?.reach('after-record', order.callId);
  const { call } = written;
  deps.bus.publish(order.callId, { type: 'answer', attempt: lease.attempt, stored });
  deps.bus.publish(order.callId, { type: 'call-end', call });
  deps.onCallEnd(call);
  return answered(lease.attempt, call);
}

/**
 * A stream that broke on its way may go on at the provider, and be billed whole: its outcome is unknown, whatever came of it.
 * Where we ended it ourselves, the provider stops with the connection, and what had come is its charge.
 */
export async function recordBrokenExchange(
  deps: AttemptDeps,
  order: AttemptOrder,
  provider: ProviderSettings,
  request: CallRequest,
  lease: AttemptLease,
  result: BrokenExchange,
  delivered: boolean,
  stopped: boolean,
): Promise<EndedAttempt> {
  const { failure, unknown, partial, late } = result;
  const error: ErrorRecord = stopped
    ? { code: 'cancelled', message: 'The call was cancelled while the provider worked.', source: 'gateway' }
    : {
        code: failure.code,
        message: failure.message,
        source: 'provider',
        ...(failure.status !== undefined && failure.code === 'provider_rejected' && { status: failure.status }),
        ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      };
  const isOurEnd = stopped || late;
  const lost = unknown && !(isOurEnd && partial);
  if (lost && !isOurEnd && order.onUnknown === 'fail')
    return giveUpUnknown(deps, order, lease, { delivered, firstTokenAt: result.firstTokenAt });
  return recordFailure(deps, order, {
    lease,
    failure: {
      error,
      retryable: !stopped && failure.retryable,
      failOver: !stopped && failure.failOver,
      delivered,
      ...(late && !stopped && { late }),
    },
    outcomeUnknown: lost,
    charge: lost ? null : partial && chargeSafely(deps, provider, order.candidate.model, request, partial),
    firstTokenAt: result.firstTokenAt,
  });
}

/** Ends an attempt whose outcome is lost and must not be paid for again; recorded, so that a repeat ends the same way. */
export function giveUpUnknown(
  deps: AttemptDeps,
  order: AttemptOrder,
  lease: AttemptLease,
  {
    error = outcomeUnknown(lease.attempt).error,
    delivered = false,
    firstTokenAt = null,
  }: { error?: ErrorRecord; delivered?: boolean; firstTokenAt?: number | null } = {},
): Promise<EndedAttempt> {
  return recordFailure(deps, order, {
    lease,
    failure: { error, retryable: false, failOver: false, delivered },
    outcomeUnknown: true,
    charge: null,
    firstTokenAt,
  });
}

export async function recordFailure(
  deps: AttemptDeps,
  order: AttemptOrder,
  report: RecordFailureInput,
): Promise<EndedAttempt> {
  const { attempt } = report.lease;
  const { failure } = report;
  const { written } = await untilRecorded(() => deps.ledger.recordFailure(report));
  if (!written) return outcomeUnknown(attempt);
  deps.bus.publish(order.callId, {
    type: 'attempt-failed',
    attempt,
    code: failure.error.code,
    delivered: failure.delivered,
  });
  return { status: 'failed', attempt, ...failure };
}
