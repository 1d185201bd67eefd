/** What the limits of speed have in common wherever they are counted. */
import { HoldfastError } from './errors.ts';
import type { LimitSettings } from './settings.ts';

export const MINUTE_MS = 60_000;
/** When a place at the concurrency limit frees is not known; SDKs wait at least this. */
export const CONCURRENCY_RETRY_MS = 1_000;

export function rateLimited(
  scope: string,
  kind: keyof LimitSettings,
  limit: number,
  retryAfterMs: number,
): HoldfastError {
  return new HoldfastError('rate_limited', `The limit ${kind} = ${String(limit)} of ${scope} is reached.`, {
    retryAfterMs,
    details: { scope, kind, limit },
  });
}
