/**
 * Answers that the provider keeps under an id: started in the background, or asked for once more after their connection
 * was lost. Asking again costs nothing, so once the id is in the ledger no crash pays for a second answer.
 */
import type { AttemptOrder, AttemptOutcome, CallTimeouts, EndedAttempt } from '../core/call/types.ts';
import type { ErrorRecord } from '../core/errors.ts';
import type {
  EncodedRequest,
  KeptAnswer,
  KeptAnswers,
  ProviderAdapter,
  ProviderAnswer,
  ProviderFailure,
  ProviderQuery,
} from '../core/ports/provider.ts';
import type { AskResult } from '../providers/dispatch/dispatcher.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { chargeSafely } from './charge-safely.ts';
import { concealEcho } from './conceal-echo.ts';
import { encodeOrder, type DispatchedAttempt } from './encode-order.ts';
import { outcomeUnknown } from './outcomes.ts';
import { giveUpUnknown, recordAnswered, recordBrokenExchange, recordFailure } from './record-attempt.ts';
import { untilRecorded } from './until-recorded.ts';

/** A lost attempt whose provider has been asked. */
export type KeptAttempt = DispatchedAttempt & { adapter: ProviderAdapter; kept: KeptAnswers; responseId: string };

type Asked = Pick<KeptAttempt, 'provider' | 'secret' | 'adapter' | 'kept' | 'responseId'>;

/** For a question whose answer is short or there already; a step that asks it is cut off after 150 s. */
const ASK_TIMEOUTS: CallTimeouts = { connectMs: 10_000, firstTokenMs: 20_000, idleMs: 20_000, totalMs: 25_000 };

/** Has the provider begin. The id is in the ledger before anything else is done with it. */
export async function startKept(
  deps: AttemptDeps,
  attempt: DispatchedAttempt,
  adapter: ProviderAdapter,
  encoded: EncodedRequest,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { order, provider, lease } = attempt;
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
  const started = await deps.dispatcher.ask({
    query: { method: 'POST', ...encoded },
    decode: (text) => kept.decode(text),
    decodeFailure: adapter.decodeFailure,
    timeouts: { ...order.timeouts, totalMs: order.deadlineAt - deps.now() },
    // A cancelled call lets its start end: without the id the provider could not be told to stop.
    signal: new AbortController().signal,
  });
  if (started.status === 'failed') return recordFailedStart(deps, attempt, started);
  const { responseId } = started.value;
  await deps.faults?.reach('after-job-start', order.callId);
  const keptAttempt = { ...attempt, adapter, kept, responseId };
  if (!(await isNoted(deps, keptAttempt))) return outcomeUnknown(lease.attempt);
  await deps.faults?.reach('after-job-id', order.callId);
  if (isStopped(signal)) return withdrawKept(deps, keptAttempt, 'cancelled');
  return takeAnswer(deps, keptAttempt, started.value, false);
}

/** A call, not a field: what was false before an await may be true after it. */
function isStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Whether the id is in the ledger. Where it is not, nobody will ever know it, and nothing may go on working under it. */
async function isNoted(deps: AttemptDeps, attempt: KeptAttempt): Promise<boolean> {
  const { lease, responseId } = attempt;
  try {
    const { written } = await untilRecorded(() => deps.ledger.markStreaming(lease, responseId));
    if (!written) await stopAtProvider(deps, attempt);
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
  started: Extract<AskResult<KeptAnswer>, { status: 'failed' }>,
): Promise<EndedAttempt> {
  if (started.unknown && !started.late && order.onUnknown !== 'retry') return giveUpUnknown(deps, order, lease);
  const failure = { ...started.failure, message: concealEcho(started.failure.message, secret, request) };
  const broken = { ...started, failure, partial: null, firstTokenAt: null };
  return recordBrokenExchange(deps, order, provider, request, lease, broken, false, false);
}

/**
 * Asks for the answer, and records it, or the failure, when there is one.
 * @returns `gone` when the provider does not know the id, or not any more: nothing was recorded.
 */
export async function askForAnswer(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  mayHoldText: boolean,
): Promise<AttemptOutcome | 'gone'> {
  const asked = await lookUpKept(deps, attempt);
  if (asked.status === 'answered') return takeAnswer(deps, attempt, asked.value, mayHoldText);
  // What cannot be reached, or is busy, may answer the next time; the call's deadline ends the asking.
  return isGone(asked.failure) ? 'gone' : { status: 'pending', attempt: attempt.lease.attempt };
}

async function takeAnswer(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  said: KeptAnswer,
  mayHoldText: boolean,
): Promise<AttemptOutcome> {
  const { order, provider, request, secret, lease, adapter } = attempt;
  switch (said.state) {
    case 'pending':
      return { status: 'pending', attempt: lease.attempt };
    case 'answered':
      return recordAnswered(
        deps,
        attempt,
        {
          answer: said.answer,
          frames: null,
          warnings: encodeOrder(adapter, attempt).warnings,
          ...(mayHoldText && !order.candidate.background && { isRecovered: true }),
        },
        deps.now(),
      );
    case 'failed': {
      const failure = { ...said.failure, message: concealEcho(said.failure.message, secret, request) };
      const unknown = said.failure.code === 'outcome_unknown';
      const { partial } = said;
      const broken = { status: 'failed', failure, unknown, late: false, partial, firstTokenAt: null } as const;
      const delivered = mayHoldText && !order.candidate.background;
      return recordBrokenExchange(deps, order, provider, request, lease, broken, delivered, false);
    }
  }
}

/** The provider keeps answers for a while only; what it cost stays unknown. */
export function recordGone(deps: AttemptDeps, order: AttemptOrder, attempt: KeptAttempt): Promise<EndedAttempt> {
  const { lease, responseId } = attempt;
  const paysAgain = order.onUnknown === 'retry' || (order.onUnknown === 'recover' && !order.candidate.background);
  const error: ErrorRecord = {
    code: 'outcome_unknown',
    message: `The provider does not know its answer ${responseId} any more: it expired before it was fetched.`,
    source: 'provider',
  };
  return recordFailure(deps, order, {
    lease,
    failure: { error, retryable: paysAgain, failOver: paysAgain, delivered: false },
    outcomeUnknown: true,
    charge: null,
    firstTokenAt: null,
  });
}

/** Ends the work at the provider and books what it says that it cost. An answer that is there all the same is kept unless the caller cancelled. */
export async function withdrawKept(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  reason: 'cancelled' | 'deadline',
): Promise<EndedAttempt> {
  const { order, provider, request, lease } = attempt;
  const said = await stopAtProvider(deps, attempt);
  if (said?.state === 'answered' && reason === 'deadline') {
    const outcome = await takeAnswer(deps, attempt, said, false);
    if (outcome.status !== 'pending') return outcome;
  }
  const made = madeBy(said);
  const error = endedBy(reason);
  return recordFailure(deps, order, {
    lease,
    failure: {
      error,
      retryable: false,
      failOver: false,
      delivered: false,
      ...(reason === 'deadline' && { late: true }),
    },
    outcomeUnknown: made === 'unknown',
    charge:
      made === 'unknown' || made === null ? null : chargeSafely(deps, provider, order.candidate.model, request, made),
    firstTokenAt: null,
  });
}

function endedBy(reason: 'cancelled' | 'deadline'): ErrorRecord {
  return reason === 'cancelled'
    ? { code: 'cancelled', message: 'The call was cancelled while the provider worked.', source: 'gateway' }
    : { code: 'provider_timeout', message: 'The total time of the call is over.', source: 'gateway' };
}

/** What a stopped answer is billed by: what there is of it, null for nothing. */
export function madeBy(said: KeptAnswer | null): ProviderAnswer | null | 'unknown' {
  if (said === null || said.state === 'pending') return 'unknown';
  if (said.state === 'answered') return said.answer;
  return said.partial ?? (said.failure.code === 'outcome_unknown' ? 'unknown' : null);
}

/** What the provider said to it; null when it could not be told, or did not say. */
export async function stopAtProvider(
  deps: Pick<AttemptDeps, 'dispatcher'>,
  attempt: Asked,
): Promise<KeptAnswer | null> {
  const query = attempt.kept.encodeCancel(queryOf(attempt));
  if (query === null) return null;
  const asked = await ask(deps, attempt, query);
  return asked.status === 'answered' ? asked.value : null;
}

/** What the provider says of the answer now. */
export function lookUpKept(deps: Pick<AttemptDeps, 'dispatcher'>, attempt: Asked): Promise<AskResult<KeptAnswer>> {
  return ask(deps, attempt, attempt.kept.encodeRetrieve(queryOf(attempt)));
}

function ask(
  deps: Pick<AttemptDeps, 'dispatcher'>,
  { adapter, kept }: Asked,
  query: ProviderQuery,
): Promise<AskResult<KeptAnswer>> {
  return deps.dispatcher.ask({
    query,
    decode: (text) => kept.decode(text),
    decodeFailure: adapter.decodeFailure,
    timeouts: ASK_TIMEOUTS,
    signal: new AbortController().signal,
  });
}

function queryOf({ provider, secret, responseId }: Asked) {
  return { baseUrl: provider.baseUrl, headers: provider.headers, secret, responseId };
}

/** 404 and its like: asking again changes nothing. */
export function isGone({ code, status = 0 }: ProviderFailure): boolean {
  return code === 'provider_rejected' && status >= 400 && status < 500;
}
