import type { ErrorRecord } from '../errors.ts';
import type { RetryPolicy } from './types.ts';

const FIRST_POLL_MS = 500;
/** Providers keep an unfetched answer for minutes: well within that. */
const MAX_POLL_MS = 30_000;

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

/** How long to wait before a provider is asked for the answer once more; `polls` counts the times it was asked so far. */
export function pollWaitMs(polls: number, random: number): number {
  const wait = Math.min(MAX_POLL_MS, FIRST_POLL_MS * 2 ** Math.min(polls, 30));
  return Math.round(wait * (1 - JITTER * random));
}
