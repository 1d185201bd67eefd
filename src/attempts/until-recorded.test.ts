import { expect, it } from 'vitest';
import { HoldfastError } from '../core/errors.ts';
import { untilRecorded } from './until-recorded.ts';

/** A write that fails as the script says and then succeeds, and a clock that only moves by waiting. */
function stage(failures: Error[]) {
  const clock = {
    time: 0,
    waits: [] as number[],
    now: () => clock.time,
    wait(ms: number) {
      clock.waits.push(ms);
      clock.time += ms;
      return Promise.resolve();
    },
  };
  let writes = 0;
  const write = () => {
    const failure = failures[writes++];
    return failure === undefined ? Promise.resolve('recorded') : Promise.reject(failure);
  };
  return { clock, write, writes: () => writes };
}

const busy = new HoldfastError('engine_unavailable', 'the ledger is busy');

it('repeats a write while the ledger is busy, with growing waits, and gives its result', async () => {
  const { clock, write, writes } = stage([busy, busy, busy]);
  expect(await untilRecorded(write, 0, clock)).toBe('recorded');
  expect(writes()).toBe(4);
  expect(clock.waits).toEqual([100, 200, 400]);
});

it('passes on at once what is not the ledger being busy', async () => {
  const { clock, write, writes } = stage([new TypeError('a defect')]);
  await expect(untilRecorded(write, 0, clock)).rejects.toThrow('a defect');
  expect(writes()).toBe(1);
  expect(clock.waits).toEqual([]);
});

it('gives up within two minutes, having waited at most five seconds at a time', async () => {
  const { clock, write } = stage(Array.from({ length: 1_000 }, () => busy));
  await expect(untilRecorded(write, 0, clock)).rejects.toBe(busy);
  expect(clock.time).toBeGreaterThan(110_000);
  expect(clock.time).toBeLessThanOrEqual(120_000);
  expect(Math.max(...clock.waits)).toBe(5_000);
});

it('goes on for as long as it is worth it', async () => {
  const { clock, write } = stage(Array.from({ length: 150 }, () => busy));
  expect(await untilRecorded(write, 3_600_000, clock)).toBe('recorded');
  expect(clock.time).toBeGreaterThan(600_000);
});
