import { expect, it } from 'vitest';
import { createLiveAttempts } from './live-attempts.ts';

const never = () => new AbortController().signal;

it('starts once for all who ask while it runs, and again for who asks later', async () => {
  const live = createLiveAttempts<number>();
  const gate = Promise.withResolvers<number>();
  let starts = 0;
  const start = () => {
    starts += 1;
    return gate.promise;
  };
  const asked = [live.joinOrStart('a', never(), start), live.joinOrStart('a', never(), start)];
  expect([starts, live.size]).toEqual([1, 1]);
  gate.resolve(7);
  expect(await Promise.all(asked)).toEqual([7, 7]);
  expect(live.size).toBe(0);
  await live.joinOrStart('a', never(), start);
  expect(starts).toBe(2);
});

it('a failure reaches all who joined and leaves nothing behind', async () => {
  const live = createLiveAttempts<number>();
  const gate = Promise.withResolvers<number>();
  const asked = [1, 2].map(() => live.joinOrStart('a', never(), () => gate.promise));
  gate.reject(new Error('lost'));
  expect(await Promise.allSettled(asked)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  expect(live.size).toBe(0);
});

it('who comes with a signal that has aborted stops the one that runs', async () => {
  const live = createLiveAttempts<boolean>();
  const start = (shared: AbortSignal) =>
    new Promise<boolean>((resolve) => {
      if (shared.aborted) resolve(true);
      shared.addEventListener('abort', () => resolve(true));
    });
  const first = live.joinOrStart('a', never(), start);
  expect(await live.joinOrStart('a', AbortSignal.abort(), start)).toBe(true);
  expect(await first).toBe(true);
  expect(await live.joinOrStart('b', AbortSignal.abort(), start)).toBe(true);
});

it('takes its listener off the signal when it is done', async () => {
  const live = createLiveAttempts<number>();
  const controller = new AbortController();
  let shared: AbortSignal | undefined;
  await live.joinOrStart('a', controller.signal, (signal) => {
    shared = signal;
    return Promise.resolve(1);
  });
  controller.abort();
  expect(shared?.aborted).toBe(false);
});
