/** The start of an answer that is made in the background. From its id on every crash is a repeat of a question. */
import type { AttemptOutcome, EndedAttempt } from '../core/call/types.ts';
import type {
  EncodedRequest,
  KeptAnswer,
  KeptAnswers,
  ProviderAdapter,
  ProviderFailure,
} from '../core/ports/provider.ts';
import type { AskResult, FollowInput } from '../providers/dispatch/dispatcher.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { concealEcho } from './conceal-echo.ts';
import type { DispatchedAttempt } from './encode-order.ts';
import { createLiveAnswer, readToEnd } from './follow-kept.ts';
import { endedBy, stopAtProvider, takeAnswer, withdrawKept, type KeptAttempt } from './kept-answer.ts';
import { outcomeUnknown } from './outcomes.ts';
import { giveUpUnknown, recordBrokenExchange, recordFailure } from './record-attempt.ts';
import { createStopping } from './stopping.ts';
import { untilRecorded } from './until-recorded.ts';

type FailedStart = Extract<AskResult<KeptAnswer>, { status: 'failed' }>;

const NAMELESS: ProviderFailure = {
  code: 'provider_unavailable',
  message: 'The stream ended before it said the id of its answer.',
  retryable: true,
  failOver: true,
};

/** Has the provider begin. The id is in the ledger before anything else is done with it. */
export async function startKept(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  adapter: ProviderAdapter,
  encoded: EncodedRequest,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { order, provider, request, lease } = attempt;
  const { kept } = adapter;
  if (!kept) throw new Error(`providers of kind ${adapter.kind} keep no answers`);
  if (signal.aborted) {
    const failure = { error: endedBy('cancelled'), retryable: false, failOver: false, delivered: false };
    return recordFailure(deps, order, { lease, failure, charge: null, firstTokenAt: null });
  }
  deps.bus.publish(order.callId, {
    type: 'attempt-start',
    attempt: lease.attempt,
    provider: provider.name,
    model: order.candidate.model,
    wire: kept.wire,
  });
  const starting = { query: { method: 'POST' as const, ...encoded }, kept, adapter };
  return request.stream ? startLive(deps, attempt, starting, signal) : startSilent(deps, attempt, starting, signal);
}

interface Starting {
  query: FollowInput<KeptAnswer>['query'];
  adapter: ProviderAdapter;
  kept: KeptAnswers;
}

/** For a caller who takes the answer in one piece. */
async function startSilent(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  starting: Starting,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  // A cancelled call lets its start end: without the id the provider could not be told to stop.
  const started = await deps.dispatcher.ask(questionOf(deps, attempt, starting, new AbortController().signal));
  if (started.status === 'failed') return recordFailedStart(deps, attempt, started);
  return begin(deps, attempt, starting, started.value, signal);
}

/** For a caller who streams: the provider's events follow its id on the same connection. */
async function startLive(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  starting: Starting,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const named: { attempt: KeptAttempt | null; isNoted: boolean } = { attempt: null, isNoted: false };
  const stopping = createStopping();
  const live = createLiveAnswer(deps, { attempt, kept: starting.kept }, async (responseId) => {
    named.attempt = keptAs(attempt, starting, responseId);
    named.isNoted = await noteId(deps, named.attempt);
    // Not before: without the id the provider could not be told to stop.
    stopping.listenTo(signal, deps.leaving);
    return named.isNoted && !isStopped(stopping.signal);
  });
  try {
    const question = questionOf(deps, attempt, starting, stopping.signal);
    const started = await deps.dispatcher.follow({ ...question, onEvent: (raw) => live.take(raw) });
    if (started.status === 'answered') return await begin(deps, attempt, starting, started.value, signal);
    if (named.attempt === null) {
      const nameless: FailedStart = { status: 'failed', failure: NAMELESS, unknown: true, late: false };
      return await recordFailedStart(deps, attempt, started.status === 'failed' ? started : nameless);
    }
    if (!named.isNoted) return outcomeUnknown(attempt.lease.attempt);
    return await readToEnd(deps, named.attempt, live, started, { cancelled: signal, any: stopping.signal });
  } finally {
    stopping.forget();
  }
}

/** The provider has said, in one piece, under which id it works, or that it has answered already. */
async function begin(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  starting: Starting,
  said: KeptAnswer,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const named = keptAs(attempt, starting, said.responseId);
  if (!(await noteId(deps, named))) return outcomeUnknown(attempt.lease.attempt);
  if (isStopped(signal)) return withdrawKept(deps, named, 'cancelled');
  return takeAnswer(deps, named, said, false);
}

function keptAs(attempt: DispatchedAttempt, { adapter, kept }: Starting, responseId: string): KeptAttempt {
  return { ...attempt, adapter, kept, responseId };
}

function questionOf(
  deps: AttemptDeps,
  { order }: DispatchedAttempt,
  { query, adapter, kept }: Starting,
  signal: AbortSignal,
): Omit<FollowInput<KeptAnswer>, 'onEvent'> {
  return {
    query,
    decode: (text) => kept.decode(text),
    decodeFailure: adapter.decodeFailure,
    timeouts: { ...order.timeouts, totalMs: order.deadlineAt - deps.now() },
    signal,
  };
}

/** A call, not a field: what was false before an await may be true after it. */
function isStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Whether the id is in the ledger. Where it is not, nobody will ever know it, and nothing may go on working under it. */
async function noteId(deps: AttemptDeps, attempt: KeptAttempt): Promise<boolean> {
  const { order, lease, responseId } = attempt;
  await deps.faults?.reach('after-job-start', order.callId);
  try {
    const { written } = await untilRecorded(() => deps.ledger.markStreaming(lease, responseId));
    if (written) await deps.faults?.reach('after-job-id', order.callId);
    else await stopAtProvider(deps, attempt);
    return written;
  } catch (error) {
    await stopAtProvider(deps, attempt);
    throw error;
  }
}

/** Without an id nobody can ask: the work may go on, and only `onUnknown: retry` pays for it a second time. */
function recordFailedStart(
  deps: AttemptDeps,
  { order, provider, request, secret, lease }: DispatchedAttempt,
  started: FailedStart,
): Promise<EndedAttempt> {
  if (started.unknown && !started.late && order.onUnknown !== 'retry') return giveUpUnknown(deps, order, lease);
  const failure = { ...started.failure, message: concealEcho(started.failure.message, secret, request) };
  const broken = { ...started, failure, partial: null, firstTokenAt: null };
  return recordBrokenExchange(deps, order, provider, request, lease, broken, false, false);
}
