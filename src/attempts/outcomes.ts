import type { AttemptOutcome } from '../core/call/types.ts';
import type { ErrorRecord } from '../core/errors.ts';

export function answered(attempt: number, answerRef: string): AttemptOutcome {
  return { status: 'answered', attempt, answerRef };
}

/** A failure that ends the call, or with `failOver` this candidate. */
export function failedWith(attempt: number, error: ErrorRecord, next: { failOver?: boolean } = {}): AttemptOutcome {
  return { status: 'failed', attempt, error, retryable: false, failOver: next.failOver ?? false, delivered: false };
}

export function failedBy(
  attempt: number,
  error: ErrorRecord,
  next: { retryable: boolean; failOver: boolean },
  delivered: boolean,
): AttemptOutcome {
  return { status: 'failed', attempt, error, retryable: next.retryable, failOver: next.failOver, delivered };
}

/** Bytes left, their outcome is lost, and paying again is not ours to decide. */
export function outcomeUnknown(attempt: number): AttemptOutcome {
  return failedWith(attempt, {
    code: 'outcome_unknown',
    message: `Attempt ${String(attempt)} left for the provider and its outcome was lost.`,
    source: 'gateway',
  });
}
