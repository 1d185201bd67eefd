/** The sweep on a real SQLite ledger; only the engine is told what to say. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CallInput } from '../core/call/types.ts';
import type { UnknownAttempt } from '../core/ports/ledger/attempts.ts';
import {
  acceptInput,
  allowed,
  answerOf,
  budget,
  failureOf,
  HOUR_MS,
  DAY_MS,
  openInput,
  START,
} from '../stores/contract/fixture.ts';
import { temporaryLedger } from '../stores/sqlite/temporary-ledger.ts';
import { createSweep } from './sweep.ts';

type State = 'running' | 'closed' | 'missing';
const MINUTE_MS = 60_000;
const NOTHING = { started: 0, settled: 0, reconciled: 0, abandoned: 0, pruned: 0 };

async function stage(limits: { openCallsWithinMs?: number } = {}) {
  const store = await temporaryLedger();
  const { ledger, clock } = store;
  const states = new Map<string, State>();
  const started: CallInput[] = [];
  const asked: string[] = [];
  const settled: string[] = [];
  const errors: unknown[] = [];
  const unknown: UnknownAttempt[] = [];
  const engine = {
    start(input: CallInput) {
      started.push(input);
      states.set(input.callId, 'running');
      return Promise.resolve();
    },
    stateOf(callId: string) {
      asked.push(callId);
      return Promise.resolve(states.get(callId) ?? 'missing');
    },
  };
  return {
    ...store,
    states,
    started,
    asked,
    settled,
    errors,
    unknown,
    engine,
    sweep: createSweep({
      ...limits,
      ledger,
      engine,
      now: () => clock.now,
      random: () => 0,
      settleUnknown(attempt) {
        unknown.push(attempt);
        return Promise.resolve('reconciled');
      },
      callRetentionMs: 30 * DAY_MS,
      onSettled: ({ id }) => settled.push(id),
      onError: (error) => errors.push(error),
    }),
    /** A call that was accepted, and then as far as asked. */
    async call(
      id: string,
      upTo: 'accepted' | 'admitted' | 'dispatched' | 'answered' | 'unknown',
      state: State,
      keyed = true,
    ) {
      const idempotency = keyed ? { key: id, bodyHash: 'h', ttlMs: DAY_MS } : null;
      const accepted = await ledger.accept(acceptInput(id, { idempotency }));
      if (accepted.status !== 'accepted') throw new Error('not accepted');
      const { callId } = accepted.input;
      states.set(callId, state);
      if (upTo === 'accepted') return callId;
      await ledger.admit({ callId, admission: allowed, worstCaseNanoUsd: 1000n, budgets: [budget()] });
      if (upTo === 'admitted') return callId;
      const opened = await ledger.openAttempt(openInput(callId));
      if (opened.status !== 'dispatched') throw new Error(`not dispatched: ${opened.status}`);
      if (upTo === 'answered') await ledger.recordAnswer(answerOf(opened.lease));
      if (upTo === 'unknown')
        await ledger.recordFailure({ ...failureOf(opened.lease, 'provider_timeout'), outcomeUnknown: true });
      return callId;
    },
    held: async () =>
      (await ledger.budgetStatus([budget()])).map((status) => [status.heldNanoUsd, status.spentNanoUsd]),
  };
}

describe('a call whose start was lost', () => {
  it('is started with the input that was accepted, once its door has had its time', async () => {
    const { call, sweep, started, clock, states } = await stage();
    const callId = await call('lost', 'accepted', 'missing');
    clock.now = START + 29_000;
    expect(await sweep()).toEqual(NOTHING);
    clock.now = START + 31_000;
    expect(await sweep()).toEqual({ ...NOTHING, started: 1 });
    expect(started).toMatchObject([
      { callId, kind: 'chat', model: 'smart', principal: { tenant: 'acme', key: 'app', models: null } },
    ]);
    expect(started[0]?.requestRef).toMatch(/^p_/);
    expect(states.get(callId)).toBe('running');
    expect(await sweep()).toEqual(NOTHING);
    expect(started).toHaveLength(1);
  });

  it('is started also when it was admitted with its acceptance: nothing was dispatched yet', async () => {
    const { call, sweep, started, clock } = await stage();
    await call('lost', 'admitted', 'missing');
    clock.now = START + MINUTE_MS;
    expect(await sweep()).toMatchObject({ started: 1, settled: 0 });
    expect(started).toHaveLength(1);
  });

  it('is ended instead when nobody can be waiting any more, and its hold is given back', async () => {
    const { call, sweep, started, clock, ledger, held } = await stage();
    const callId = await call('old', 'admitted', 'missing');
    expect(await held()).toEqual([['1000', '0']]);
    clock.now = START + 11 * MINUTE_MS;
    expect(await sweep()).toEqual({ ...NOTHING, settled: 1 });
    expect(started).toEqual([]);
    expect(await ledger.getCall(callId)).toMatchObject({
      state: 'ended',
      outcome: 'failed',
      error: { code: 'engine_unavailable' },
      costNanoUsd: '0',
    });
    expect(await held()).toEqual([['0', '0']]);
  });

  it('is ended instead when it has no key: its caller never learned its id', async () => {
    const { call, sweep, started, clock, ledger, held } = await stage();
    const callId = await call('keyless', 'admitted', 'missing', false);
    clock.now = START + MINUTE_MS;
    expect(await sweep()).toEqual({ ...NOTHING, settled: 1 });
    expect(started).toEqual([]);
    expect(await ledger.getCall(callId)).toMatchObject({ outcome: 'failed', attempts: [] });
    expect(await held()).toEqual([['0', '0']]);
  });
});

describe('a call whose workflow is gone', () => {
  it.each(['closed', 'missing'] as const)('(%s) after its answer was recorded has ended with it', async (state) => {
    const { call, sweep, ledger, payloads, clock, held, started } = await stage();
    const callId = await call('answered', 'answered', state);
    clock.now = START + MINUTE_MS;
    expect(await sweep()).toEqual(NOTHING);
    const view = await ledger.getCall(callId);
    expect(view).toMatchObject({ state: 'ended', outcome: 'succeeded', error: null, costNanoUsd: '400' });
    const answer = await payloads.get(view?.answerRef ?? '');
    expect(Buffer.from(answer ?? []).toString()).toBe(`answer of ${callId}`);
    expect(await held()).toEqual([['0', '400']]);
    expect(started).toEqual([]);
  });

  it('while an attempt was on its way is ended as failed, never sent again, and keeps that hold', async () => {
    const { call, sweep, ledger, clock, held, started } = await stage();
    const callId = await call('dispatched', 'dispatched', 'missing');
    clock.now = START + MINUTE_MS;
    expect(await sweep()).toEqual({ ...NOTHING, settled: 1 });
    const view = await ledger.getCall(callId);
    expect(view).toMatchObject({ state: 'ended', outcome: 'failed', error: { code: 'outcome_unknown' } });
    expect(view?.attempts.map(({ state }) => state)).toEqual(['unknown']);
    expect(started).toEqual([]);
    expect(await held()).toEqual([['1000', '0']]);
  });
});

it('a call of which nothing was sent, and whose workflow is over, ends as that: its key is free for another try', async () => {
  const { call, sweep, ledger, clock, held } = await stage();
  const callId = await call('terminated', 'admitted', 'closed');
  clock.now = START + MINUTE_MS;
  expect(await sweep()).toEqual({ ...NOTHING, settled: 1 });
  expect(await ledger.getCall(callId)).toMatchObject({ outcome: 'failed', error: { code: 'engine_unavailable' } });
  expect(await held()).toEqual([['0', '0']]);
  const idempotency = { key: 'terminated', bodyHash: 'h', ttlMs: DAY_MS };
  expect(await ledger.accept(acceptInput('again', { idempotency }))).toMatchObject({
    status: 'accepted',
    input: { callId: 'again-g2' },
  });
});

it('a call whose workflow runs is left alone, whatever its age and state', async () => {
  const { call, sweep, ledger, clock, started, held } = await stage();
  const ids = [
    await call('a', 'accepted', 'running'),
    await call('b', 'dispatched', 'running'),
    await call('c', 'answered', 'running'),
  ];
  const before = [await held(), await Promise.all(ids.map((id) => ledger.getCall(id)))];
  clock.now = START + 5 * HOUR_MS;
  expect(await sweep()).toEqual(NOTHING);
  expect(started).toEqual([]);
  expect([await held(), await Promise.all(ids.map((id) => ledger.getCall(id)))]).toEqual(before);
});

it('a call that ended is not looked at', async () => {
  const { call, sweep, clock, asked } = await stage();
  await call('done', 'answered', 'closed');
  clock.now = START + HOUR_MS;
  expect(await sweep()).toEqual(NOTHING);
  expect(asked).toEqual([]);
});

it('an unknown attempt is booked at its hold after a day, so that no hold stands for ever', async () => {
  const { call, sweep, ledger, clock, held } = await stage();
  const callId = await call('unknown', 'unknown', 'running');
  await ledger.settle({
    callId,
    outcome: 'failed',
    answerRef: null,
    error: { code: 'provider_timeout', message: 'm', source: 'provider' },
  });
  clock.now = START + 23 * HOUR_MS;
  expect(await sweep()).toEqual(NOTHING);
  expect(await held()).toEqual([['1000', '0']]);
  clock.now = START + 25 * HOUR_MS;
  expect(await sweep()).toMatchObject({ abandoned: 1 });
  expect(await held()).toEqual([['0', '1000']]);
  expect(await ledger.getCall(callId)).toMatchObject({
    costNanoUsd: '1000',
    pricing: 'estimated',
    attempts: [{ state: 'abandoned' }],
  });
  expect(await sweep()).toMatchObject({ abandoned: 0 });
});

it('what is past its retention is pruned', async () => {
  const { call, sweep, ledger, clock } = await stage();
  const callId = await call('past', 'answered', 'closed');
  clock.now = START + 29 * DAY_MS;
  expect((await sweep()).pruned).toBeGreaterThan(0);
  expect(await ledger.getCall(callId)).not.toBeNull();
  clock.now = START + 31 * DAY_MS;
  expect((await sweep()).pruned).toBeGreaterThan(0);
  expect(await ledger.getCall(callId)).toBeNull();
});

it('one call that cannot be put right does not keep the others from their turn, and gets its own at the next', async () => {
  const { call, sweep, clock, started, settled, errors, engine } = await stage();
  await call('stuck', 'accepted', 'missing');
  await call('lost', 'accepted', 'missing');
  await call('gone', 'dispatched', 'closed');
  await call('runs', 'dispatched', 'running');
  clock.now = START + MINUTE_MS;
  const { stateOf } = engine;
  engine.stateOf = (callId) => (callId === 'stuck-g1' ? Promise.reject(new Error('not now')) : stateOf(callId));
  expect(await sweep()).toEqual({ started: 1, settled: 1, reconciled: 0, abandoned: 0, pruned: 0 });
  expect(started.map(({ callId }) => callId)).toEqual(['lost-g1']);
  expect(settled).toEqual(['gone-g1']);
  expect(errors).toMatchObject([{ message: 'not now' }]);
  engine.stateOf = stateOf;
  expect(await sweep()).toEqual({ ...NOTHING, started: 1 });
  expect(started.map(({ callId }) => callId)).toEqual(['lost-g1', 'stuck-g1']);
});

it('the provider is asked about unknown attempts of ended calls that have an id, and what it says is counted', async () => {
  const { ledger, call, unknown, sweep } = await stage();
  const callId = await call('asked', 'dispatched', 'running');
  await ledger.markStreaming({ callId, attempt: 1, epoch: 1 }, 'resp_7');
  await sweep();
  expect(unknown).toEqual([]);
  await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
  const nameless = await call('nameless', 'dispatched', 'running');
  await ledger.settle({ callId: nameless, outcome: 'cancelled', answerRef: null, error: null });
  expect(await sweep()).toMatchObject({ reconciled: 1, abandoned: 0 });
  expect(unknown).toMatchObject([{ lease: { callId, attempt: 1, epoch: 1 }, responseId: 'resp_7', tenant: 'acme' }]);
});

it('no more than sixteen calls are asked for at a time', async () => {
  const { call, sweep, clock, engine } = await stage();
  for (let n = 0; n < 40; n++) await call(`c${String(n)}`, 'accepted', 'running');
  clock.now = START + MINUTE_MS;
  let now = 0;
  let most = 0;
  engine.stateOf = async () => {
    most = Math.max(most, ++now);
    await setImmediate();
    now -= 1;
    return 'running';
  };
  await sweep();
  expect(most).toBe(16);
});

it('a sweep that runs out of time goes on, at the next, where it stopped', async () => {
  const { call, sweep, clock, asked, engine } = await stage({ openCallsWithinMs: 1000 });
  for (let n = 0; n < 40; n++) await call(`c${String(n).padStart(2, '0')}`, 'accepted', 'running');
  clock.now = START + MINUTE_MS;
  const { stateOf } = engine;
  engine.stateOf = (callId) => {
    clock.now += 100;
    return stateOf(callId);
  };
  const names = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, n) => `c${String(from + n).padStart(2, '0')}-g1`);
  for (const [from, to] of [
    [0, 16],
    [16, 32],
    [32, 40],
    [0, 16],
  ] as const) {
    await sweep();
    expect(asked.splice(0)).toEqual(names(from, to));
  }
});

it('an engine that is away is not asked about every call of a long list', async () => {
  const { call, sweep, clock, errors, engine } = await stage();
  for (let n = 0; n < 150; n++) await call(`c${String(n)}`, 'accepted', 'running');
  clock.now = START + MINUTE_MS;
  engine.stateOf = () => Promise.reject(new Error('away'));
  await sweep();
  expect(errors.length).toBeGreaterThanOrEqual(100);
  expect(errors.length).toBeLessThan(120);
});
