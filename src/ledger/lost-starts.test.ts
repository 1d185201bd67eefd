/** On a real SQLite ledger; only the engine is told what to say. */
import { describe, expect, it } from 'vitest';
import { acceptInput, allowed, budget, DAY_MS, openInput, START } from '../stores/contract/fixture.ts';
import { temporaryLedger } from '../stores/sqlite/temporary-ledger.ts';
import { createLostStartsLook } from './lost-starts.ts';

const MINUTE_MS = 60_000;

async function stage() {
  const { ledger, clock } = await temporaryLedger();
  const inEngine = new Set<string>();
  const started: string[] = [];
  const settled: string[] = [];
  const errors: unknown[] = [];
  const refused = new Set<string>();
  let questions = 0;
  const look = createLostStartsLook({
    ledger,
    engine: {
      start({ callId }) {
        if (refused.has(callId)) return Promise.reject(new Error('refused'));
        started.push(callId);
        inEngine.add(callId);
        return Promise.resolve();
      },
      stateOf(callId) {
        questions += 1;
        return Promise.resolve(inEngine.has(callId) ? 'running' : 'missing');
      },
    },
    now: () => clock.now,
    onSettled: ({ id }) => settled.push(id),
    onError: (error) => errors.push(error),
  });
  return {
    errors,
    /** Calls that the engine does not take. */
    refused,
    questions: () => questions,
    ledger,
    inEngine,
    started,
    settled,
    async accept(id: string, isKeyed: boolean) {
      const idempotency = isKeyed ? { key: id, bodyHash: 'h', ttlMs: DAY_MS } : null;
      const accepted = await ledger.accept(acceptInput(id, { idempotency }));
      if (accepted.status !== 'accepted') throw new Error('not accepted');
      const { callId } = accepted.input;
      await ledger.admit({ callId, admission: allowed, worstCaseNanoUsd: 1000n, budgets: [budget()] });
      return callId;
    },
    lookAt(ms: number) {
      clock.now = START + ms;
      return look();
    },
  };
}

describe('a call that was accepted and never started', () => {
  it('is started once, five seconds later, when it has a key', async () => {
    const { accept, lookAt, started, settled } = await stage();
    const callId = await accept('keyed', true);
    await lookAt(4_900);
    expect(started).toEqual([]);
    for (const ms of [5_100, 10_100]) await lookAt(ms);
    expect(started).toEqual([callId]);
    expect(settled).toEqual([]);
  });

  it('is ended, and its hold given back, when no live door can be about to start it and it has no key', async () => {
    const { accept, lookAt, started, settled, ledger } = await stage();
    const callId = await accept('keyless', false);
    await lookAt(13_900);
    expect(settled).toEqual([]);
    await lookAt(14_100);
    expect(settled).toEqual([callId]);
    expect(started).toEqual([]);
    expect(await ledger.getCall(callId)).toMatchObject({
      outcome: 'failed',
      error: { code: 'engine_unavailable' },
      attempts: [],
      costNanoUsd: '0',
    });
    expect(await ledger.budgetStatus([budget()])).toMatchObject([{ heldNanoUsd: '0', spentNanoUsd: '0' }]);
  });

  it('is ended with a key too, when nobody waits any more', async () => {
    const { accept, lookAt, started, settled } = await stage();
    const callId = await accept('keyed', true);
    await lookAt(11 * MINUTE_MS);
    expect([started, settled]).toEqual([[], [callId]]);
  });
});

it('leaves alone what the engine has, and what has an attempt', async () => {
  const { accept, lookAt, started, settled, inEngine, ledger } = await stage();
  inEngine.add(await accept('slow', false));
  await ledger.openAttempt(openInput(await accept('dispatched', false)));
  await lookAt(MINUTE_MS);
  expect([started, settled]).toEqual([[], []]);
});

it('does not keep the others from their turn for calls that cannot be started, or that wait in the engine', async () => {
  const { accept, lookAt, started, refused, inEngine, errors, questions } = await stage();
  for (let n = 0; n < 6; n++) refused.add(await accept(`refused ${String(n)}`, true));
  for (let n = 0; n < 250; n++) inEngine.add(await accept(`waiting ${String(n)}`, true));
  const lost = await accept('younger', true);
  await lookAt(6_000);
  expect(errors).toHaveLength(5);
  expect(started).toEqual([]);
  await lookAt(11_000);
  expect(started).toEqual([lost]);
  expect(errors).toHaveLength(10);
  const asked = questions();
  await lookAt(16_000);
  // Only of those that are refused: what the engine has is not asked for again.
  expect(questions() - asked).toBeLessThanOrEqual(6);
});
