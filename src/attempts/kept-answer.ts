/**
 * Answers that the provider keeps under an id: started in the background, or asked for once more after their connection
 * was lost. Asking again costs nothing, so once the id is in the ledger no crash pays for a second answer.
 */
import type { AttemptOrder, AttemptOutcome, CallTimeouts, EndedAttempt } from '../core/call/types.ts';
import type { SseEvent } from '../core/chat.ts';
import type { ErrorRecord } from '../core/errors.ts';
import type {
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
import { giveUpUnknown, recordAnswered, recordBrokenExchange, recordFailure } from './record-attempt.ts';

/** A lost attempt whose provider has been asked. */
export type KeptAttempt = DispatchedAttempt & { adapter: ProviderAdapter; kept: KeptAnswers; responseId: string };

type Asked = Pick<KeptAttempt, 'provider' | 'secret' | 'adapter' | 'kept' | 'responseId'>;

/** For a question whose answer is short or there already; a step that asks it is cut off after 150 s. */
const ASK_TIMEOUTS: CallTimeouts = { connectMs: 10_000, firstTokenMs: 20_000, idleMs: 20_000, totalMs: 25_000 };

/**
 * Asks for the answer, and records it, or the failure, when there is one.
 * @param mayHoldText a client may have a part of it.
 * @returns `gone` when the provider does not know the id, or not any more: nothing was recorded.
 */
export async function askForAnswer(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  mayHoldText: boolean,
): Promise<AttemptOutcome | 'gone'> {
  const asked = await lookUpKept(deps, attempt);
  if (asked.status === 'answered') return takeAnswer(deps, attempt, asked.value, mayHoldText);
  // It has an answer that cannot be read, however often it is asked.
  if (asked.unknown && !asked.late && !asked.failure.retryable) {
    const error: ErrorRecord = { code: 'outcome_unknown', message: asked.failure.message, source: 'provider' };
    return giveUpUnknown(deps, attempt.order, attempt.lease, { error, delivered: mayHoldText });
  }
  // What cannot be reached, or is busy, may answer the next time; the call's deadline ends the asking.
  return isGone(asked.failure) ? 'gone' : { status: 'pending', attempt: attempt.lease.attempt };
}

/** Records what the provider says of its answer. `streamed` is how it came, where its frames are all of it. */
export async function takeAnswer(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  said: KeptAnswer,
  mayHoldText: boolean,
  streamed: { frames: SseEvent[]; firstTokenAt: number } | null = null,
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
          frames: streamed?.frames ?? null,
          warnings: encodeOrder(adapter, attempt).warnings,
          ...(mayHoldText && !streamed && { isRecovered: true }),
        },
        streamed?.firstTokenAt ?? deps.now(),
      );
    case 'failed': {
      const failure = { ...said.failure, message: concealEcho(said.failure.message, secret, request) };
      const { partial } = said;
      // What it has counted is the truth.
      const unknown = said.failure.code === 'outcome_unknown' && partial === null;
      const broken = { status: 'failed', failure, unknown, late: false, partial, firstTokenAt: null } as const;
      return recordBrokenExchange(deps, order, provider, request, lease, broken, mayHoldText, false);
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
    const outcome = await takeAnswer(deps, attempt, said, request.stream);
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

export function endedBy(reason: 'cancelled' | 'deadline'): ErrorRecord {
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

export function queryOf({ provider, secret, responseId }: Asked) {
  return { baseUrl: provider.baseUrl, headers: provider.headers, secret, responseId };
}

/** 404 and its like: asking again changes nothing. */
export function isGone({ code, status = 0 }: ProviderFailure): boolean {
  return code === 'provider_rejected' && status >= 400 && status < 500;
}
