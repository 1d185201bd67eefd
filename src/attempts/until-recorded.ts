import { setTimeout as delay } from 'node:timers/promises';
import { RECORD_PATIENCE_MS } from '../core/call/limits.ts';
import { HoldfastError } from '../core/errors.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

interface Clock {
  now(): number;
  wait(ms: number): Promise<unknown>;
}

const realClock: Clock = { now: Date.now, wait: (ms) => delay(ms) };

/**
 * Repeats a write of the ledger while it says that it is unavailable. A cancel does not stop it: what was paid is booked.
 *
 * @param until Unix milliseconds up to which it is worth it; two minutes at least. Default: two minutes.
 * @throws HoldfastError `engine_unavailable` when the ledger stayed away for so long.
 */
export async function untilRecorded<T>(write: () => Promise<T>, until = 0, clock: Clock = realClock): Promise<T> {
  const deadline = Math.max(until, clock.now() + RECORD_PATIENCE_MS);
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await write();
    } catch (error) {
      if (!HoldfastError.is(error) || error.code !== 'engine_unavailable' || clock.now() + wait > deadline) throw error;
    }
    await clock.wait(wait);
  }
}
