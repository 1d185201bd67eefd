import { callResult } from '../core/call/call-result.ts';
import type { EndedAttempt } from '../core/call/types.ts';
import type { ErrorRecord } from '../core/errors.ts';
import type { CallView } from '../core/ports/ledger/views.ts';

type FailedAttempt = Extract<EndedAttempt, { status: 'failed' }>;

export function answered(attempt: number, call: CallView): EndedAttempt {
  return { status: 'answered', attempt, result: callResult(call) };
}

/** A failure that ends the call, or with `failOver` this candidate. */
export function failedWith(attempt: number, error: ErrorRecord, next: { failOver?: boolean } = {}): FailedAttempt {
  return { status: 'failed', attempt, error, retryable: false, failOver: next.failOver ?? false, delivered: false };
}

/** Bytes left, their outcome is lost, and paying again is not ours to decide. */
export function outcomeUnknown(attempt: number): FailedAttempt {
  return failedWith(attempt, {
    code: 'outcome_unknown',
    message: `Attempt ${String(attempt)} left for the provider and its outcome was lost.`,
    source: 'gateway',
  });
}

/** The call's total time is over; what has left is not waited for. */
export function deadlinePassed(attempt: number): FailedAttempt {
  const error = {
    code: 'provider_timeout',
    message: 'The total time of the call is over.',
    source: 'gateway',
  } as const;
  return { ...failedWith(attempt, error), late: true };
}
