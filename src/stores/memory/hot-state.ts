/** Limits of speed of one process: requests and tokens per minute, and calls at once, per scope. */
import { LRUCache } from 'lru-cache';
import type { HotState } from '../../core/ports/hot-state.ts';
import { CONCURRENCY_RETRY_MS, MINUTE_MS, rateLimited } from '../../core/rate-limited.ts';

/** Scopes that are remembered; a forgotten one starts with a fresh minute. */
const MAX_SCOPES = 100_000;

/** Two counted minutes; the window slides over them, weighing the older by what is left of it. */
interface Window {
  minute: number;
  current: number;
  previous: number;
}

export interface MemoryHotState extends HotState {
  take(...taken: Parameters<HotState['take']>): void;
}

export function createMemoryHotState(now: () => number = Date.now): MemoryHotState {
  const windows = new LRUCache<string, Window>({ max: MAX_SCOPES });
  const running = new Map<string, Set<string>>();

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

  function free(scope: string, name: string): void {
    const places = running.get(scope);
    places?.delete(name);
    if (places?.size === 0) running.delete(scope);
  }

  const state: MemoryHotState = {
    take(place, tokens) {
      const counted: { window: Window; amount: number }[] = [];
      for (const { scope, limits } of place.scopes) {
        if (limits.concurrency !== null && (running.get(scope)?.size ?? 0) >= limits.concurrency) {
          throw rateLimited(scope, 'concurrency', limits.concurrency, CONCURRENCY_RETRY_MS);
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
          if (wait !== null) throw rateLimited(scope, kind, limit, wait);
          counted.push({ window, amount: taken });
        }
      }
      for (const { window, amount } of counted) window.current += amount;
      state.hold(place);
    },
    hold({ name, scopes }, instead) {
      for (const { scope, limits } of scopes) {
        if (limits.concurrency === null) continue;
        const places = running.get(scope) ?? new Set();
        if (instead !== undefined) places.delete(instead);
        running.set(scope, places.add(name));
      }
    },
    reclaim(places) {
      for (const place of places) state.hold(place);
    },
    renew() {
      // They end with this process.
    },
    free({ name, scopes }) {
      for (const { scope } of scopes) free(scope, name);
    },
  };
  return state;
}
