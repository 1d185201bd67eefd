import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createPhaseClock } from './phase-clock.ts';

const TIMEOUTS = { connectMs: 1, firstTokenMs: 1_000, idleMs: 200, totalMs: 5_000 };

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
  vi.advanceTimersByTime(200);
  expect(clock.expired).toEqual({ phase: 'idleMs', ms: 200 });
  expect(clock.signal.aborted).toBe(true);
});

it('names the first phase when nothing came', () => {
  const clock = createPhaseClock(new AbortController().signal, TIMEOUTS);
  vi.advanceTimersByTime(1_000);
  expect(clock.expired).toEqual({ phase: 'firstTokenMs', ms: 1_000 });
});

it('ends after totalMs, however lively the provider was', () => {
  const clock = createPhaseClock(new AbortController().signal, TIMEOUTS);
  for (let waited = 0; waited < 4_900; waited += 100) {
    vi.advanceTimersByTime(100);
    clock.received();
  }
  expect(clock.expired).toBeNull();
  vi.advanceTimersByTime(100);
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

it('leaves no timer and no listener after it was stopped', () => {
  const controller = new AbortController();
  const clock = createPhaseClock(controller.signal, TIMEOUTS);
  clock.received();
  clock.stop();
  expect(vi.getTimerCount()).toBe(0);
  controller.abort();
  expect(clock.signal.aborted).toBe(false);
});
