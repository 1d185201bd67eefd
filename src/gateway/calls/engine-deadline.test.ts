import { stat } from 'node:fs/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { ENGINE_DEADLINE_MS, withinDeadline } from './engine-deadline.ts';

const deadlines: number[] = [];
const connection = {
  withDeadline<T>(deadline: number | Date, ask: () => Promise<T>) {
    deadlines.push(Number(deadline));
    return ask();
  },
};

function useFakeTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
}

it('gives what the engine says in time, as it is, and leaves no timer', async () => {
  useFakeTime();
  expect(await withinDeadline(connection, () => Promise.resolve('running'))).toBe('running');
  expect(deadlines.at(-1)).toBe(Date.now() + ENGINE_DEADLINE_MS);
  const refusal = new Error('refused');
  await expect(withinDeadline(connection, () => Promise.reject(refusal))).rejects.toBe(refusal);
  expect(vi.getTimerCount()).toBe(0);
});

it('waits no longer, however the connection goes on, and hears no more of it', async () => {
  useFakeTime();
  const { promise, reject } = Promise.withResolvers<never>();
  const asked = expect(withinDeadline(connection, () => promise)).rejects.toMatchObject({
    code: 'engine_unavailable',
    message: 'The durable engine did not answer within 2 s.',
    retryAfterMs: 1_000,
  });
  await vi.advanceTimersByTimeAsync(ENGINE_DEADLINE_MS);
  await asked;
  expect(vi.getTimerCount()).toBe(0);
  // Unhandled, this would fail the test run.
  reject(new Error('the connection gave up, much later'));
  await vi.advanceTimersByTimeAsync(0);
});

it.each([
  ['deadline', 4],
  ['cancellation', 1],
])("says the same when the connection's own %s is the first", async (_, code) => {
  const over = Object.assign(new Error('Timeout expired'), { code, details: '', metadata: {} });
  await expect(withinDeadline(connection, () => Promise.reject(over))).rejects.toMatchObject({
    code: 'engine_unavailable',
    message: 'The durable engine did not answer within 2 s.',
  });
});

it('takes an answer that came in time, though this process stood still until after the deadline', async () => {
  const standStill = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ENGINE_DEADLINE_MS + 100);
  const asked = withinDeadline(connection, () => {
    const answer = stat('.');
    standStill();
    return answer;
  });
  expect((await asked).isDirectory()).toBe(true);
});
