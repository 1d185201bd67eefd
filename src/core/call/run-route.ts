/** Attempts over the candidates of a route: retry, wait, fail over, stop at the deadline. */
import { HoldfastError, type ErrorRecord } from '../errors.ts';
import { pollWaitMs, retryWaitMs } from './backoff.ts';
import { CallInterruptedError, type CallPorts } from './ports.ts';
import type {
  AttemptOrder,
  AttemptOutcome,
  AttemptSummary,
  CallInput,
  CallResult,
  Candidate,
  CredentialChoice,
  EndedAttempt,
  RoutePlan,
  Settlement,
} from './types.ts';

/** An end that the ledger has not been told of yet. */
export type Unsettled = Omit<Settlement, 'callId'>;
/** How a call ends: with an answer, recorded and settled, or with something that is still to be settled. */
export type CallEnd = { result: CallResult } | Unsettled;
type Failure = Extract<EndedAttempt, { status: 'failed' }>;

/** What the tries of one call share. */
interface Route {
  input: CallInput;
  plan: RoutePlan;
  ports: CallPorts;
  /** Unix milliseconds. */
  deadlineAt: number;
  story: AttemptSummary[];
  failures: Failure[];
}

export async function runRoute(input: CallInput, plan: RoutePlan, ports: CallPorts): Promise<CallEnd> {
  const deadlineAt = ports.now() + plan.timeouts.totalMs;
  const route: Route = { input, plan, ports, deadlineAt, story: [], failures: [] };
  for (const [index, candidate] of plan.candidates.entries()) {
    const choice = index === 0 ? plan.first : await ports.selectCredential(input.callId, candidate);
    const end = await tryCandidate(route, candidate, choice);
    if (end) return end;
  }
  return failed(exhausted(plan, route.story, route.failures));
}

/** Tries one candidate until it answers, ends the call, or has had its tries (null: the next candidate's turn). */
async function tryCandidate(route: Route, candidate: Candidate, choice: CredentialChoice): Promise<CallEnd | null> {
  const { ports, story, failures, deadlineAt } = route;
  for (let tries = 1; ; tries++) {
    if (ports.now() >= deadlineAt) return timedOut();
    const outcome = await carryThrough(ports, orderOf(route, candidate, choice), describeAttempt(candidate, story));
    if (outcome.status === 'answered') return { result: outcome.result };
    failures.push(outcome);
    story.push({ attempt: outcome.attempt, candidate: nameOf(candidate), code: outcome.error.code });
    if (outcome.late) return timedOut();
    if (outcome.error.code === 'cancelled') return { outcome: 'cancelled', answerRef: null, error: outcome.error };
    // Text that reached the caller must not be followed by another attempt's text, unless it can be taken back.
    const isFinal = outcome.delivered && !route.plan.restartsStreams;
    if (isFinal || (!outcome.retryable && !outcome.failOver)) return failed(outcome.error);
    const wait = waitBeforeRetry(route, outcome, tries);
    if (wait === null) return null;
    await ports.sleep(wait, `${nameOf(candidate)} -> ${outcome.error.code}, again in ${wait} ms`);
  }
}

/**
 * Executes the order. An answer that the provider keeps for us is asked for until it is there, with durable waits in
 * between; a call that stops meanwhile takes its order back, or the provider would work on and bill it.
 */
async function carryThrough(ports: CallPorts, order: AttemptOrder, summary: string): Promise<EndedAttempt> {
  let isWorkedOn = order.candidate.background === true;
  try {
    let outcome = await executeOrder(ports, order, summary);
    for (let polls = 0; outcome.status === 'pending'; polls++) {
      isWorkedOn = true;
      const rest = order.deadlineAt - ports.now();
      if (rest <= 0) throw new CallInterruptedError('deadline');
      await ports.sleep(Math.min(pollWaitMs(polls, ports.random()), rest), `${nameOf(order.candidate)} works on it`);
      outcome = await ports.collect(order);
    }
    return outcome;
  } catch (error) {
    if (!(error instanceof CallInterruptedError) || !isWorkedOn) throw error;
    const end = await takeBack(ports, order, error);
    if (end === null || error.reason === 'cancelled') throw error;
    return end;
  }
}

/** Work in the background outlasts its workers, however many are lost: by the id in the ledger the provider can be asked. */
async function executeOrder(ports: CallPorts, order: AttemptOrder, summary: string): Promise<AttemptOutcome> {
  try {
    return await ports.execute(order, summary);
  } catch (error) {
    if (!order.candidate.background || !HoldfastError.is(error) || error.code !== 'outcome_unknown') throw error;
    return { status: 'pending', attempt: order.order };
  }
}

/** Null when that failed: the settlement leaves the attempt unknown, and the sweep stops the work and learns its cost. */
async function takeBack(
  ports: CallPorts,
  order: AttemptOrder,
  { reason }: CallInterruptedError,
): Promise<EndedAttempt | null> {
  try {
    return await ports.withdraw(order, reason);
  } catch (error) {
    if (HoldfastError.is(error)) return null;
    throw error;
  }
}

function orderOf({ input, plan, deadlineAt, failures }: Route, candidate: Candidate, choice: CredentialChoice) {
  return {
    callId: input.callId,
    tenant: input.principal.tenant,
    key: input.principal.key,
    ...(plan.team !== undefined && { team: plan.team }),
    ...(plan.user !== undefined && { user: plan.user }),
    requestRef: plan.requestRef,
    order: failures.length + 1,
    candidate,
    credential: choice.credential,
    timeouts: plan.timeouts,
    deadlineAt,
    onUnknown: plan.onUnknown,
  };
}

/** Null when this candidate is not tried again. A wait that would outlast the call is not begun. */
function waitBeforeRetry({ plan, ports, deadlineAt }: Route, failure: Failure, tries: number): number | null {
  if (!failure.retryable || tries >= plan.retries.maxAttempts) return null;
  const wait = retryWaitMs(plan.retries, failure.error, tries, ports.random());
  return wait === null || ports.now() + wait >= deadlineAt ? null : wait;
}

export function timedOut(): Unsettled {
  return {
    outcome: 'timed_out',
    answerRef: null,
    error: {
      code: 'provider_timeout',
      message: 'The call did not end within its total timeout.',
      source: 'gateway',
    },
  };
}

function failed(error: ErrorRecord): Unsettled {
  return { outcome: 'failed', answerRef: null, error };
}

/** The error of a call that ran out of candidates: a lone candidate's own, or the list of all. */
function exhausted(plan: RoutePlan, story: readonly AttemptSummary[], failures: readonly Failure[]): ErrorRecord {
  const last = failures.at(-1);
  if (!last) return { code: 'all_candidates_failed', message: 'The route has no candidate.', source: 'gateway' };
  if (plan.candidates.length === 1) return { ...last.error, details: { ...last.error.details, attempts: [...story] } };
  const waits = failures.map(({ error }) => (error.code === 'provider_rate_limited' ? error.retryAfterMs : undefined));
  if (failures.every(({ error }) => error.code === 'provider_rate_limited')) {
    const known = waits.filter((wait) => wait !== undefined);
    return {
      code: 'provider_rate_limited',
      message: `Every candidate was rate limited: ${tell(story)}.`,
      source: 'provider',
      ...(known.length > 0 && { retryAfterMs: Math.min(...known) }),
      details: { attempts: [...story] },
    };
  }
  return {
    code: 'all_candidates_failed',
    message: `Every candidate failed: ${tell(story)}.`,
    source: 'provider',
    details: { attempts: [...story] },
  };
}

function tell(story: readonly AttemptSummary[]): string {
  return story.map(({ attempt, candidate, code }) => `${candidate} attempt ${attempt} -> ${code}`).join(', ');
}

/** What the Temporal UI shows on the attempt: `openai/gpt-4o attempt 1 -> provider_rate_limited, next claude/sonnet`. */
function describeAttempt(candidate: Candidate, story: readonly AttemptSummary[]): string {
  const before = story.at(-1);
  if (!before) return nameOf(candidate);
  const next = before.candidate === nameOf(candidate) ? 'again' : `next ${nameOf(candidate)}`;
  return `${before.candidate} attempt ${before.attempt} -> ${before.code}, ${next}`;
}

function nameOf({ provider, model }: Candidate): string {
  return `${provider}/${model}`;
}
