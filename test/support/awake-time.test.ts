import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { awakeMsOf } from './awake-time.ts';

const BLOCKED_MS = 300;

it('counts waiting, and what blocks the event loop with or without work', async () => {
  expect(await awakeMsOf(delay(BLOCKED_MS))).toBeGreaterThan(BLOCKED_MS / 3);
  const asleep = async () => {
    await delay(10);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS);
  };
  expect(await awakeMsOf(asleep())).toBeGreaterThan(BLOCKED_MS - 20);
  expect(await awakeMsOf(working())).toBeGreaterThan(BLOCKED_MS - 20);
});

it.runIf(process.platform === 'linux')('does not count what others take of the processors', async () => {
  const crowd = Array.from({ length: 4 * availableParallelism() }, () => new Worker('for (;;);', { eval: true }));
  try {
    const startedAt = performance.now();
    const awake = await awakeMsOf(working());
    const wall = performance.now() - startedAt;
    expect(wall).toBeGreaterThan(2 * BLOCKED_MS);
    expect(awake).toBeLessThan(wall - BLOCKED_MS / 2);
  } finally {
    await Promise.all(crowd.map((worker) => worker.terminate()));
  }
});

/** Uses so much time of a processor. */
async function working(): Promise<void> {
  await delay(10);
  const { user } = process.threadCpuUsage();
  while (process.threadCpuUsage().user - user < BLOCKED_MS * 1_000);
}
