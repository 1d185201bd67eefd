/**
 * Every way in which each workflow can go on or end, from the types of the code: what is added there has to be added
 * here, or nothing compiles, and what is added here needs a recorded history.
 */
import type { AttemptOutcome, CallOutcome } from '../../src/core/call/types.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import type * as workflows from '../../src/workflows/index.ts';

const CALL_OUTCOMES: Record<CallOutcome, true> = {
  succeeded: true,
  failed: true,
  denied: true,
  cancelled: true,
  timed_out: true,
};

/** False: the doors say it, and no workflow ends with it. */
const ENDS_CALLS: Record<ErrorCode, boolean> = {
  invalid_request: true,
  content_blocked: true,
  capability_missing: true,
  context_too_long: true,
  unauthenticated: false,
  budget_exceeded: true,
  permission_denied: true,
  not_found: true,
  idempotency_conflict: false,
  cancelled: true,
  provider_rejected: true,
  rate_limited: false,
  provider_rate_limited: true,
  provider_auth: true,
  provider_quota: true,
  provider_unavailable: true,
  provider_timeout: true,
  outcome_unknown: true,
  all_candidates_failed: true,
  engine_unavailable: true,
};

const ATTEMPT_ENDS: Record<AttemptOutcome['status'], true> = { pending: true, answered: true, failed: true };

/** What the engine can report of the paying step. */
const STEP_EVENTS = ['COMPLETED', 'FAILED', 'TIMED_OUT'] as const;

/** What happens between the attempts of a call. */
const TURNS = [
  'admitted by the door',
  'admitted by a step',
  'refused by a step',
  'waited and tried again',
  'failed over',
  'restarted after a rollback',
  'ended after text was delivered',
  'ended late',
  'cancelled before an attempt',
  'cancelled in an attempt',
  'cancelled in a wait',
  'answered after a lost worker',
  'collected later',
  'collected after its workers were lost',
  'withdrawn by a cancellation',
  'withdrawn at the deadline',
] as const;

const SWEEPS = ['sweep COMPLETED', 'sweep FAILED', 'run waits', 'run CONTINUED_AS_NEW', 'run CANCELED'] as const;

/** An input that is no call's ends the workflow itself; every other end is a result. */
export const INPUT_REFUSED = 'run FAILED';

export type Turn = (typeof TURNS)[number];
export type SweepClass = (typeof SWEEPS)[number];

/** All classes of each workflow; a history has several of them. */
export const outcomeClasses: Record<keyof typeof workflows, readonly string[]> = {
  llmCall: [
    ...Object.keys(CALL_OUTCOMES).map((outcome) => `outcome ${outcome}`),
    ...Object.entries(ENDS_CALLS).flatMap(([code, ends]) => (ends ? [`error ${code}`] : [])),
    ...Object.keys(ATTEMPT_ENDS).map((status) => `attempt ${status}`),
    ...STEP_EVENTS.map((event) => `paying step ${event}`),
    ...TURNS,
    INPUT_REFUSED,
  ],
  reconcileAttempts: SWEEPS,
};
