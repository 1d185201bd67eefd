import { stat } from 'node:fs/promises';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createPhaseClock } from './phase-clock.ts';

const TIMEOUTS = { connectMs: 1, firstTokenMs: 1_000, idleMs: 200, totalMs: 5_000 };

/** In fake time the turn of the loop in which sockets are read takes a millisecond. */
const TURN_MS = 1;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('waits firstTokenMs for the first byte, then idleMs from each byte to the next', () => {
  const clock = createPhaseClock(new AbortController().signal, TIMEOUTS);
  vi.advanceTimersByTime(999);
  expect(clock.expired).toBeNull();
  clock.received();
  for (let round = 0; round < 10; round++) {
    vi.advanceTimersByTime(199);
    expect(clock.signal.aborted).toBe(false);
    clock.received();
  }
  vi.advanceTimersByTime(200 + TURN_MS);
  expect(clock.expired).toEqual({ phase: 'idleMs', ms: 200 });
  expect(clock.signal.aborted).toBe(true);
});

it('names the first phase when nothing came', () => {
  const clock = createPhaseClock(new AbortController().signal, TIMEOUTS);
  vi.advanceTimersByTime(1_000 + TURN_MS);
  expect(clock.expired).toEqual({ phase: 'firstTokenMs', ms: 1_000 });
});

it('ends after totalMs, however lively the provider was', () => {
  const clock = createPhaseClock(new AbortController().signal, TIMEOUTS);
  for (let waited = 0; waited < 4_900; waited += 100) {
    vi.advanceTimersByTime(100);
    clock.received();
  }
  expect(clock.expired).toBeNull();
  vi.advanceTimersByTime(100 + TURN_MS);
  expect(clock.expired).toEqual({ phase: 'totalMs', ms: 5_000 });
});

it('does not take a total of months for a moment, as a timer of Node would', () => {
  const clock = createPhaseClock(new AbortController().signal, { ...TIMEOUTS, totalMs: 2 ** 40 });
  vi.advanceTimersByTime(10);
  expect(clock.expired).toBeNull();
  clock.stop();
});

it("passes on the caller's abort without calling it an expiry, also one from before", () => {
  const controller = new AbortController();
  const clock = createPhaseClock(controller.signal, TIMEOUTS);
  controller.abort();
  expect([clock.signal.aborted, clock.expired]).toEqual([true, null]);
  clock.stop();
  const late = createPhaseClock(controller.signal, TIMEOUTS);
  expect([late.signal.aborted, late.expired]).toEqual([true, null]);
  late.stop();
});

/** For 300 ms, and in that phase of the event loop after which timers come before what arrived meanwhile. */
async function standStillWhileItComes(then: () => void): Promise<void> {
  await nextTurn();
  const coming = stat('.').then(then);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await coming;
}

it.each(['firstTokenMs', 'idleMs'] as const)(
  'hears what came in time, though this process stood still for longer than %s',
  async (phase) => {
    vi.useRealTimers();
    const clock = createPhaseClock(new AbortController().signal, { ...TIMEOUTS, [phase]: 200 });
    if (phase === 'idleMs') clock.received();
    await standStillWhileItComes(() => clock.received());
    await delay(20);
    expect([clock.expired, clock.signal.aborted]).toEqual([null, false]);
    // The next silence counts as ever.
    await delay(TIMEOUTS.idleMs + 50);
    expect(clock.expired?.phase).toBe('idleMs');
  },
);

it('says nothing of a total that passed while the end lay in the socket', async () => {
  vi.useRealTimers();
  const clock = createPhaseClock(new AbortController().signal, { ...TIMEOUTS, totalMs: 200 });
  await standStillWhileItComes(() => clock.stop());
  await delay(20);
  expect([clock.expired, clock.signal.aborted]).toEqual([null, false]);
});

it('leaves no timer and no listener after it was stopped', () => {
  const controller = new AbortController();
  const clock = createPhaseClock(controller.signal, TIMEOUTS);
  clock.received();
  clock.stop();
  expect(vi.getTimerCount()).toBe(0);
  controller.abort();
  expect(clock.signal.aborted).toBe(false);
});
