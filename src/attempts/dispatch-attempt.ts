/** The bytes of an attempt: out, back, and into the ledger. From the first byte on, every way out is a recorded outcome. */
import type { StoredAnswer } from '../core/call/stored-answer.ts';
import type { AttemptOrder, AttemptOutcome } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import type { AttemptLease } from '../core/ports/ledger.ts';
import type { CallRequest, EncodedRequest, ProviderAdapter } from '../core/ports/provider.ts';
import type { ProviderSettings } from '../core/settings.ts';
import type { DispatchResult } from '../providers/dispatch/dispatcher.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { chargeSafely } from './charge-safely.ts';
import { concealEcho } from './conceal-echo.ts';
import { createFrameLog } from './frame-log.ts';
import { answered, outcomeUnknown } from './outcomes.ts';
import { giveUpUnknown, recordBrokenExchange, recordFailure } from './record-attempt.ts';
import { untilRecorded } from './until-recorded.ts';

export interface DispatchedAttempt {
  order: AttemptOrder;
  provider: ProviderSettings;
  request: CallRequest;
  secret: string | undefined;
  lease: AttemptLease;
}

export async function dispatchAttempt(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { order, provider, request, secret, lease } = attempt;
  const adapter = deps.adapters.get(provider.kind);
  let encoded: EncodedRequest;
  try {
    if (!adapter) throw new HoldfastError('capability_missing', `This build has no provider kind ${provider.kind}.`);
    const { model } = order.candidate;
    encoded = adapter.encode({ request, model, baseUrl: provider.baseUrl, secret, headers: provider.headers });
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    // The request cannot be said in this provider's wire: no byte left.
    const failure = { error: error.toRecord(), retryable: false, failOver: true, delivered: false };
    return recordFailure(deps, order, { lease, failure, charge: null, firstTokenAt: null });
  }
  try {
    return await exchange(deps, attempt, adapter, encoded, signal);
  } catch (error) {
    // A retried activity would find bytes that left and an unknown outcome, and pay again for what a defect here broke.
    deps.onDefect(error);
    return giveUpUnknown(deps, order, lease);
  }
}

async function exchange(
  deps: AttemptDeps,
  { order, provider, request, secret, lease }: DispatchedAttempt,
  adapter: ProviderAdapter,
  encoded: EncodedRequest,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { callId, candidate } = order;
  const { model } = candidate;
  deps.bus.publish(callId, {
    type: 'attempt-start',
    attempt: lease.attempt,
    provider: provider.name,
    model,
    wire: adapter.wire,
  });
  const frames = createFrameLog(
    deps.bus,
    callId,
    lease.attempt,
    async (responseId) => {
      await deps.ledger.markStreaming(lease, responseId);
      await deps.faults?.reach('mid-stream', callId);
    },
    deps.onDefect,
  );
  const remaining = { ...order.timeouts, totalMs: order.deadlineAt - deps.now() };
  const result = await deps.dispatcher.dispatch({
    adapter,
    request,
    encoded,
    timeouts: remaining,
    signal,
    onEvent: frames.add,
  });
  await frames.settled();
  if (result.status === 'failed') {
    const failure = { ...result.failure, message: concealEcho(result.failure.message, secret, request) };
    const broken: DispatchResult = { ...result, failure };
    return recordBrokenExchange(deps, order, provider, request, lease, broken, frames.wasDelivered, signal.aborted);
  }
  await deps.faults?.reach('answered', callId);
  const stored: StoredAnswer = { answer: result.answer, frames: frames.log, warnings: encoded.warnings };
  const record = {
    lease,
    answerBytes: Buffer.from(JSON.stringify(stored)),
    payloadTtlMs: deps.payloadTtlMs,
    charge: chargeSafely(deps, provider, model, request, result.answer),
    responseId: result.answer.responseId,
    answeredModel: result.answer.model,
    firstTokenAt: result.firstTokenAt,
  };
  // The answer is paid for and in hand: a ledger that is busy for a while must not lose it.
  const written = await untilRecorded(async () => {
    await deps.faults?.reach('before-record', callId);
    return deps.ledger.recordAnswer(record);
  });
  if (!written.written) return outcomeUnknown(lease.attempt);
  await deps.faults?.reach('after-record', callId);
  const { call } = written;
  deps.bus.publish(callId, { type: 'answer', attempt: lease.attempt, stored });
  deps.bus.publish(callId, { type: 'call-end', call });
  deps.onCallEnd(call);
  return answered(lease.attempt, call);
}
