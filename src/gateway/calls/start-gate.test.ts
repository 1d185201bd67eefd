import { ServiceError } from '@temporalio/client';
import { expect, it } from 'vitest';
import { HoldfastError } from '../../core/errors.ts';
import { KEYLESS_GRACE_MS } from '../../ledger/lost-starts.ts';
import { SWEEP_GRACE_MS } from '../../ledger/sweep.ts';
import { LONGEST_START_MS, meansAway } from './call-engine.ts';
import { TAKE_UNSTARTED_WITHIN_MS } from './orphans.ts';
import { createStartGate } from './start-gate.ts';

const away = new Error('no answer');
const gateOf = (atOnce: number, maxWaiting = 100, maxWaitMs = 60_000) =>
  createStartGate({ atOnce, maxWaiting, maxWaitMs, meansAway: (error) => error === away });

/** A start that ends when it is told to. */
function held() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let begun = false;
  const start = () => {
    begun = true;
    return promise;
  };
  return { start, resolve, reject, hasBegun: () => begun };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('lets so many through at once, the others in the order they came', async () => {
  const gate = gateOf(2);
  const starts = [held(), held(), held(), held()];
  const results = Promise.allSettled(starts.map(({ start }) => gate.pass(start)));
  await settle();
  const begun = () => starts.map(({ hasBegun }) => hasBegun());
  expect(begun()).toEqual([true, true, false, false]);
  starts[1]?.resolve('b');
  await settle();
  expect(begun()).toEqual([true, true, true, false]);
  starts[0]?.reject(new Error('this one only'));
  await settle();
  expect(begun()).toEqual([true, true, true, true]);
  for (const start of starts) start.resolve('x');
  expect((await results).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
});

it('refuses what would wait beyond its bound, with a time to come back', async () => {
  const gate = gateOf(1, 1);
  const first = held();
  const running = gate.pass(first.start);
  const second = gate.pass(() => Promise.resolve('second'));
  await expect(gate.pass(() => Promise.resolve('third'))).rejects.toMatchObject({
    code: 'engine_unavailable',
    retryAfterMs: 1_000,
  });
  first.resolve('first');
  expect([await running, await second]).toEqual(['first', 'second']);
});

it('lets no one wait for an engine that does not answer, and is open again afterwards', async () => {
  const gate = gateOf(1);
  const first = held();
  const running = gate.pass(first.start);
  const second = held();
  const waiting = gate.pass(second.start);
  first.reject(away);
  await expect(running).rejects.toBe(away);
  await expect(waiting).rejects.toMatchObject({ code: 'engine_unavailable' });
  expect(second.hasBegun()).toBe(false);
  expect(await gate.pass(() => Promise.resolve('back'))).toBe('back');
});

it('lets no one wait longer than its bound', async () => {
  const gate = gateOf(1, 100, 20);
  const first = held();
  const running = gate.pass(first.start);
  const second = held();
  await expect(gate.pass(second.start)).rejects.toMatchObject({ code: 'engine_unavailable' });
  first.resolve('first');
  expect(await running).toBe('first');
  expect(second.hasBegun()).toBe(false);
  expect(await gate.pass(() => Promise.resolve('third'))).toBe('third');
});

it('takes only an engine that does not answer for away', () => {
  const grpc = (code: number) =>
    new ServiceError('failed', { cause: Object.assign(new Error('grpc'), { code, details: '', metadata: {} }) });
  expect([14, 4].map((code) => meansAway(grpc(code)))).toEqual([true, true]);
  expect(meansAway(new HoldfastError('engine_unavailable', 'no answer in time'))).toBe(true);
  // Refused: invalid, over a limit, exists already.
  expect([3, 8, 6].map((code) => meansAway(grpc(code)))).toEqual([false, false, false]);
  expect(meansAway(new Error('ours'))).toBe(false);
});

it('lets a call start that another door took as late as it may, before it is taken for lost', () => {
  /** What the ledger and the clocks of a fleet may need. */
  const spareMs = 1_000;
  expect(TAKE_UNSTARTED_WITHIN_MS + LONGEST_START_MS.fleet + spareMs).toBeLessThanOrEqual(KEYLESS_GRACE_MS);
  expect(TAKE_UNSTARTED_WITHIN_MS + LONGEST_START_MS.alone + spareMs).toBeLessThanOrEqual(SWEEP_GRACE_MS);
  expect(KEYLESS_GRACE_MS).toBeLessThan(SWEEP_GRACE_MS);
});
