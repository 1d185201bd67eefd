import type { AttemptOutcome } from '../core/call/types.ts';
import type { ErrorRecord } from '../core/errors.ts';

type FailedAttempt = Extract<AttemptOutcome, { status: 'failed' }>;

export function answered(attempt: number, answerRef: string): AttemptOutcome {
  return { status: 'answered', attempt, answerRef };
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
