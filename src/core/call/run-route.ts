/** Attempts over the candidates of a route: retry, wait, fail over, stop. */
import type { ErrorRecord } from '../errors.ts';
import { retryWaitMs } from './backoff.ts';
import type { CallPorts } from './ports.ts';
import type {
  AttemptOutcome,
  AttemptSummary,
  CallInput,
  Candidate,
  CredentialChoice,
  RoutePlan,
  Settlement,
} from './types.ts';

type RouteEnd = Omit<Settlement, 'callId'>;
type Failure = Extract<AttemptOutcome, { status: 'failed' }>;

export async function runRoute(input: CallInput, plan: RoutePlan, ports: CallPorts): Promise<RouteEnd> {
  const story: AttemptSummary[] = [];
  const failures: Failure[] = [];
  for (const [index, candidate] of plan.candidates.entries()) {
    const choice = index === 0 ? plan.first : await ports.selectCredential(input.callId, candidate);
    const end = await tryCandidate(input, plan, candidate, choice, ports, story, failures);
    if (end) return end;
  }
  return failed(exhausted(plan, story, failures));
}

/** Tries one candidate until it answers, ends the call, or has had its tries (null: the next candidate's turn). */
async function tryCandidate(
  input: CallInput,
  plan: RoutePlan,
  candidate: Candidate,
  choice: CredentialChoice,
  ports: CallPorts,
  story: AttemptSummary[],
  failures: Failure[],
): Promise<RouteEnd | null> {
  for (let tries = 1; ; tries++) {
    const outcome = await ports.execute(
      {
        callId: input.callId,
        tenant: input.principal.tenant,
        key: input.principal.key,
        requestRef: plan.requestRef,
        order: failures.length + 1,
        candidate,
        credential: choice.credential,
        timeouts: plan.timeouts,
        onUnknown: plan.onUnknown,
      },
      describeAttempt(candidate, story),
    );
    if (outcome.status === 'answered') return { outcome: 'succeeded', answerRef: outcome.answerRef, error: null };
    failures.push(outcome);
    story.push({ attempt: outcome.attempt, candidate: nameOf(candidate), code: outcome.error.code });
    if (outcome.error.code === 'cancelled') return { outcome: 'cancelled', answerRef: null, error: outcome.error };
    // Text that reached the caller must not be followed by another attempt's text.
    if (outcome.delivered || (!outcome.retryable && !outcome.failOver)) return failed(outcome.error);
    const wait =
      outcome.retryable && tries < plan.retries.maxAttempts
        ? retryWaitMs(plan.retries, outcome.error, tries, ports.random())
        : null;
    if (wait === null) return null;
    await ports.sleep(wait, `${nameOf(candidate)} -> ${outcome.error.code}, again in ${wait} ms`);
  }
}

function failed(error: ErrorRecord): RouteEnd {
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
