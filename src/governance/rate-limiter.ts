/** Limits of speed at the door, kept in memory: requests and tokens per minute, and calls at once, per scope. */
import { LRUCache } from 'lru-cache';
import { HoldfastError } from '../core/errors.ts';
import type { LimitSettings } from '../core/settings.ts';

/** A tenant or a key with its limits: `tenant:acme`. */
export interface LimitedScope {
  scope: string;
  limits: LimitSettings;
}

export interface RateLimiter {
  /**
   * Takes one request of about `tokens` tokens from every scope, or from none.
   * @returns what to call when the call has ended, for the concurrency count.
   * @throws HoldfastError `rate_limited` with the time after which it would pass.
   */
  take(scopes: readonly LimitedScope[], tokens: number): () => void;
}

const MINUTE_MS = 60_000;
/** Scopes that are remembered; a forgotten one starts with a fresh minute. */
const MAX_SCOPES = 100_000;
/** When a place at the concurrency limit frees is not known; SDKs wait at least this. */
const CONCURRENCY_RETRY_MS = 1_000;

/** Two counted minutes; the window slides over them, weighing the older by what is left of it. */
interface Window {
  minute: number;
  current: number;
  previous: number;
}

export function createRateLimiter(now: () => number = Date.now): RateLimiter {
  const windows = new LRUCache<string, Window>({ max: MAX_SCOPES });
  const running = new Map<string, number>();

  function windowOf(id: string): Window {
    const minute = Math.floor(now() / MINUTE_MS);
    const window = windows.get(id) ?? { minute, current: 0, previous: 0 };
    if (window.minute !== minute) {
      window.previous = window.minute === minute - 1 ? window.current : 0;
      window.current = 0;
      window.minute = minute;
    }
    windows.set(id, window);
    return window;
  }

  /** Null when there is room, else the time after which there is, if nothing else is taken until then. */
  function waitFor(window: Window, limit: number, amount: number): number | null {
    const elapsed = (now() % MINUTE_MS) / MINUTE_MS;
    const room = limit - amount - window.current;
    if (window.previous * (1 - elapsed) <= room) return null;
    // The older minute's share fades linearly. What it cannot free, this minute's own share frees in the next one.
    const faded = room >= 0 ? 1 - room / window.previous : 1 + Math.max(0, 1 - (limit - amount) / window.current);
    return Math.ceil((faded - elapsed) * MINUTE_MS) + 1;
  }

  return {
    take(scopes, tokens) {
      const counted: { window: Window; amount: number }[] = [];
      for (const { scope, limits } of scopes) {
        if (limits.concurrency !== null && (running.get(scope) ?? 0) >= limits.concurrency) {
          throw limited(scope, 'concurrency', limits.concurrency, CONCURRENCY_RETRY_MS);
        }
        for (const [kind, limit, amount] of [
          ['requestsPerMinute', limits.requestsPerMinute, 1],
          ['tokensPerMinute', limits.tokensPerMinute, tokens],
        ] as const) {
          if (limit === null) continue;
          const window = windowOf(`${scope}/${kind}`);
          // One request of more than a whole minute's tokens takes the whole minute: it could never pass otherwise.
          const taken = Math.min(amount, limit);
          const wait = waitFor(window, limit, taken);
          if (wait !== null) throw limited(scope, kind, limit, wait);
          counted.push({ window, amount: taken });
        }
      }
      for (const { window, amount } of counted) window.current += amount;
      const bounded = scopes.filter(({ limits }) => limits.concurrency !== null);
      for (const { scope } of bounded) running.set(scope, (running.get(scope) ?? 0) + 1);
      let released = false;
      return () => {
        if (released) return;
        released = true;
        for (const { scope } of bounded) {
          const left = (running.get(scope) ?? 1) - 1;
          if (left > 0) running.set(scope, left);
          else running.delete(scope);
        }
      };
    },
  };
}

function limited(scope: string, kind: keyof LimitSettings, limit: number, retryAfterMs: number): HoldfastError {
  return new HoldfastError('rate_limited', `The limit ${kind} = ${String(limit)} of ${scope} is reached.`, {
    retryAfterMs,
    details: { scope, kind, limit },
  });
}
