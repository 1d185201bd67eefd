import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { awakeMsOf } from './awake-time.ts';

it('counts waiting, and work that blocks the event loop', async () => {
  expect(await awakeMsOf(delay(300))).toBeGreaterThan(100);
  const blocking = async () => {
    await delay(30);
    const { user } = process.threadCpuUsage();
    while (process.threadCpuUsage().user - user < 300_000);
  };
  expect(await awakeMsOf(blocking())).toBeGreaterThan(250);
});

it('does not count the time in which the process stood still', async () => {
  const standing = async () => {
    await delay(30);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
    await delay(30);
  };
  expect(await awakeMsOf(standing())).toBeLessThan(700);
});
