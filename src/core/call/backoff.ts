import type { ErrorRecord } from '../errors.ts';
import type { RetryPolicy } from './types.ts';

/** Up to this share of a wait is added or taken, so that callers that failed together do not come back together. */
const JITTER = 0.2;

/**
 * How long to wait before candidate's next try, or null when the provider asks for more patience than policy has.
 * A Retry-After is never undercut: its jitter only adds. `tries` counts the tries on this candidate so far.
 */
export function retryWaitMs(policy: RetryPolicy, error: ErrorRecord, tries: number, random: number): number | null {
  if (error.retryAfterMs !== undefined) {
    if (error.retryAfterMs > policy.maxRetryAfterMs) return null;
    return Math.round(error.retryAfterMs * (1 + JITTER * random));
  }
  const backoff = Math.min(policy.maxBackoffMs, policy.initialBackoffMs * 2 ** (tries - 1));
  return Math.round(backoff * (1 - JITTER + 2 * JITTER * random));
}
