import { expect, it } from 'vitest';
import { HoldfastError } from '../../core/errors.ts';
import { acceptInput, answerOf, dispatched, openInput, START } from '../../stores/contract/fixture.ts';
import { temporaryLedger } from '../../stores/sqlite/temporary-ledger.ts';
import { createOrphans } from './orphans.ts';

const HASH = 'hash of the request';

async function stage({ gone = [] as string[], inEngine = [] as string[] } = {}) {
  const { ledger, clock } = await temporaryLedger();
  const asked: string[] = [];
  const peers = {
    isGone(node: string) {
      asked.push(node);
      return Promise.resolve(gone.includes(node));
    },
  };
  let questions = 0;
  let isAway = false;
  const engine = {
    stateOf(callId: string) {
      questions += 1;
      if (isAway) return Promise.reject(new HoldfastError('engine_unavailable', 'no answer in time'));
      return Promise.resolve(inEngine.includes(callId) ? ('running' as const) : ('missing' as const));
    },
  };
  const orphans = createOrphans({ ledger, peers, engine, door: 'here', now: () => clock.now });
  return {
    ledger,
    clock,
    asked,
    /** That were put to the engine. */
    questions: () => questions,
    takeEngineAway: () => (isAway = true),
    take: async () => (await orphans.take(HASH))?.callId ?? null,
    orphans,
    /** A call whose attempt was dispatched. */
    async running(id: string, door: string) {
      const result = await ledger.accept(acceptInput(id, { repeat: { hash: HASH, door } }));
      if (result.status !== 'accepted') throw new Error(result.status);
      clock.now += 1;
      return await dispatched(ledger, openInput(result.input.callId));
    },
  };
}

it('gives each repeat a call of its own, the oldest first, and then none', async () => {
  const { take, running, asked } = await stage({ gone: ['dead', 'also dead'] });
  await running('first', 'dead');
  await running('second', 'also dead');
  await running('third', 'dead');
  expect([await take(), await take(), await take(), await take()]).toEqual(['first-g1', 'second-g1', 'third-g1', null]);
  // Each process once for each repeat, and this one never.
  expect(asked).toEqual(['dead', 'also dead', 'also dead', 'dead', 'dead']);
});

it('two repeats at once never have the same call', async () => {
  const { take, running } = await stage({ gone: ['dead'] });
  await running('a', 'dead');
  await running('b', 'dead');
  expect((await Promise.all([take(), take(), take()])).sort()).toEqual(['a-g1', 'b-g1', null]);
});

it('never gives a call whose client waits: here, or at a door that lives', async () => {
  const { take, running } = await stage({ gone: ['dead'] });
  await running('here', 'here');
  await running('there', 'lives');
  expect(await take()).toBeNull();
  await running('lost', 'dead');
  expect(await take()).toBe('lost-g1');
});

it('gives a call whose client left a door that lives, that of this process too', async () => {
  const { ledger, take, running } = await stage();
  await running('here', 'here');
  await running('there', 'lives');
  await ledger.leaveOwed('here-g1', 'here');
  await ledger.leaveOwed('there-g1', 'lives');
  expect([await take(), await take(), await take()]).toEqual(['here-g1', 'there-g1', null]);
});

it('an answer that nobody got waits ten minutes for its repeat, and is given once', async () => {
  const { ledger, clock, running, orphans, take } = await stage({ gone: ['dead'] });
  for (const id of ['early', 'late']) {
    await ledger.recordAnswer(answerOf(await running(id, 'dead')));
  }
  clock.now = START + 1 + 600_000;
  expect(await orphans.take(HASH)).toEqual({ status: 'replay', callId: 'early-g1' });
  clock.now += 2;
  expect(await take()).toBeNull();
});

it('a call that was never started is given with its input, but not once it may be about to be ended', async () => {
  const { ledger, clock, orphans } = await stage({ gone: ['dead'] });
  for (const id of ['a', 'b']) await ledger.accept(acceptInput(id, { repeat: { hash: HASH, door: 'dead' } }));
  clock.now += 1_000;
  expect(await orphans.take(HASH)).toMatchObject({ status: 'attached', callId: 'a-g1', unstarted: { callId: 'a-g1' } });
  clock.now += 1;
  expect(await orphans.take(HASH)).toBeNull();
});

it('a call that the engine has is given before its first attempt, however long that takes: it is not ended', async () => {
  const { ledger, clock, take } = await stage({ gone: ['dead'], inEngine: ['b-g1'] });
  for (const id of ['a', 'b']) await ledger.accept(acceptInput(id, { repeat: { hash: HASH, door: 'dead' } }));
  clock.now += 9_000;
  expect([await take(), await take()]).toEqual(['b-g1', null]);
});

it('a call that the engine has is given without its input: it needs no second start', async () => {
  const { ledger, clock, orphans } = await stage({ gone: ['dead'], inEngine: ['a-g1'] });
  await ledger.accept(acceptInput('a', { repeat: { hash: HASH, door: 'dead' } }));
  clock.now += 9_000;
  expect(await orphans.take(HASH)).toEqual({ status: 'attached', callId: 'a-g1' });
});

it('a repeat asks the engine a few times at most, and is still given what it need not ask for', async () => {
  const { ledger, clock, take, running, questions } = await stage({ gone: ['dead'] });
  for (let n = 0; n < 50; n += 1) {
    await ledger.accept(acceptInput(`lost ${String(n)}`, { repeat: { hash: HASH, door: 'dead' } }));
  }
  clock.now += 2_000;
  await running('sent', 'dead');
  expect(await take()).toBe('sent-g1');
  expect(await take()).toBeNull();
  expect(questions()).toBe(10);
});

it('an engine that does not answer is asked once, and keeps nothing that has left from its repeat', async () => {
  const { ledger, clock, take, running, questions, takeEngineAway } = await stage({ gone: ['dead'] });
  takeEngineAway();
  for (const id of ['a', 'b']) await ledger.accept(acceptInput(id, { repeat: { hash: HASH, door: 'dead' } }));
  clock.now += 2_000;
  await running('sent', 'dead');
  expect(await take()).toBe('sent-g1');
  expect(questions()).toBe(1);
  // A new call might be paid for beside one of the two.
  await expect(take()).rejects.toMatchObject({ code: 'engine_unavailable' });
  expect(questions()).toBe(2);
});
