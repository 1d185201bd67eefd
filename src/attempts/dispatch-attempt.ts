/** The bytes of an attempt: out, back, and into the ledger. From the first byte on, every way out is a recorded outcome. */
import type { StoredAnswer } from '../core/call/stored-answer.ts';
import type { AttemptOutcome } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import type { EncodedRequest, ProviderAdapter } from '../core/ports/provider.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { concealEcho } from './conceal-echo.ts';
import { adapterOf, encodeOrder, type DispatchedAttempt } from './encode-order.ts';
import { createFrameLog, type FrameLog } from './frame-log.ts';
import { lookUpKept, takeAnswer } from './kept-answer.ts';
import {
  giveUpUnknown,
  recordAnswered,
  recordBrokenExchange,
  recordFailure,
  type BrokenExchange,
} from './record-attempt.ts';
import { startKept } from './start-kept.ts';

export async function dispatchAttempt(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { order, provider, lease } = attempt;
  let adapter: ProviderAdapter;
  let encoded: EncodedRequest;
  try {
    adapter = adapterOf(deps, provider);
    encoded = encodeOrder(adapter, attempt);
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    // The request cannot be said in this provider's wire: no byte left.
    const failure = { error: error.toRecord(), retryable: false, failOver: true, delivered: false };
    return recordFailure(deps, order, { lease, failure, charge: null, firstTokenAt: null });
  }
  if (order.candidate.background) return startKept(deps, attempt, adapter, encoded, signal);
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
  attempt: DispatchedAttempt,
  adapter: ProviderAdapter,
  encoded: EncodedRequest,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { order, provider, request, secret, lease } = attempt;
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
    const broken: BrokenExchange = { ...result, failure };
    const kept = await askedAgain(deps, attempt, adapter, broken, frames, signal);
    if (kept !== null) return kept;
    return recordBrokenExchange(deps, order, provider, request, lease, broken, frames.wasDelivered, signal.aborted);
  }
  await deps.faults?.reach('answered', callId);
  const stored: StoredAnswer = { answer: result.answer, frames: frames.log, warnings: encoded.warnings };
  return recordAnswered(deps, { order, provider, request, lease }, stored, result.firstTokenAt);
}

/**
 * Of an answer whose connection broke, and that its provider keeps: what the provider says of it. Null where it cannot be
 * asked, or does not say; then the outcome is unknown, and another attempt may follow at once.
 */
async function askedAgain(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  adapter: ProviderAdapter,
  { unknown, late, firstTokenAt }: BrokenExchange,
  { responseId }: FrameLog,
  signal: AbortSignal,
): Promise<AttemptOutcome | null> {
  const { kept } = adapter;
  const mayAsk = unknown && !late && !signal.aborted && attempt.order.onUnknown === 'recover';
  if (!mayAsk || !kept || responseId === null || !kept.isKept(attempt.request, responseId)) return null;
  const asking = { ...attempt, adapter, kept, responseId };
  const asked = await lookUpKept(deps, asking);
  // Also of what nobody read as it came: who attaches later is given it.
  return asked.status === 'answered' ? takeAnswer(deps, asking, asked.value, firstTokenAt !== null) : null;
}
