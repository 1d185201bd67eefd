import { describe, expect, test } from 'vitest';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AcceptInput } from '../../core/ports/ledger/calls.ts';
import { DAY_MS, START, acceptInput, answerOf, dispatched, failure, openInput, success } from './fixture.ts';
import type { OpenStore } from './fixture.ts';

const DOOR = 'host:1:0';
const OTHER = 'host:2:0';
const THIRD = 'host:3:0';
const HASH = 'hash of the request';

/** A call without a key whose client waits at `DOOR`. */
async function owed(ledger: Ledger, id: string, change: Partial<AcceptInput> = {}): Promise<string> {
  const result = await ledger.accept(acceptInput(id, { repeat: { hash: HASH, door: DOOR }, ...change }));
  if (result.status !== 'accepted') throw new Error(result.status);
  return result.input.callId;
}

const found = async (ledger: Ledger, { hash = HASH, endedFrom = START } = {}) =>
  (await ledger.owedCalls(hash, endedFrom, 10)).map(({ callId }) => callId);

const answered = async (ledger: Ledger, callId: string, by: string) =>
  ledger.recordAnswer({ ...answerOf(await dispatched(ledger, openInput(callId))), by });

export function describeOwed(open: OpenStore): void {
  describe('G3 a call without a key, and the repeat of its request', () => {
    test('open calls are found by the hash of their request, oldest first, and no other', async () => {
      const { ledger, clock } = await open();
      const first = await owed(ledger, 'z');
      clock.now += 1;
      const second = await owed(ledger, 'a');
      await ledger.openAttempt(openInput(second));
      await owed(ledger, 'another request', { repeat: { hash: 'another', door: DOOR } });
      await ledger.accept(acceptInput('no repeat'));
      await ledger.accept(acceptInput('keyed', { idempotency: { key: 'k', bodyHash: HASH, ttlMs: DAY_MS } }));
      expect(await ledger.owedCalls(HASH, START, 10)).toEqual([
        { callId: first, door: DOOR, createdAt: START, isUnstarted: true },
        { callId: second, door: DOOR, createdAt: START + 1, isUnstarted: false },
      ]);
      expect(await ledger.owedCalls(HASH, START, 1)).toHaveLength(1);
      expect(await found(ledger, { hash: 'nothing like it' })).toEqual([]);
    });

    test('it is taken from the door that is named, once, with its input while nothing of it has left', async () => {
      const { ledger } = await open();
      const callId = await owed(ledger, 'a');
      expect(await ledger.takeOwed(callId, OTHER, THIRD)).toBeNull();
      expect(await ledger.takeOwed(callId, null, THIRD)).toBeNull();
      const taken = await ledger.takeOwed(callId, DOOR, OTHER);
      expect(taken).toMatchObject({ status: 'attached', callId, unstarted: { callId, model: 'smart' } });
      expect(await ledger.takeOwed(callId, DOOR, OTHER)).toBeNull();
      await ledger.openAttempt(openInput(callId));
      // Its new door may die as well.
      expect(await ledger.takeOwed(callId, OTHER, THIRD)).toEqual({ status: 'attached', callId });
      expect(await ledger.takeOwed('no such call', DOOR, OTHER)).toBeNull();
    });

    test('of many that take it at once one has it', async () => {
      const { ledger } = await open();
      for (let round = 0; round < 10; round += 1) {
        const callId = await owed(ledger, `call-${String(round)}`);
        const results = await Promise.all(
          Array.from({ length: 6 }, (_, n) => ledger.takeOwed(callId, DOOR, `host:${String(n + 2)}:0`)),
        );
        const winner = results.findIndex((taken) => taken !== null);
        expect(results.filter((taken) => taken !== null)).toMatchObject([{ status: 'attached', callId }]);
        const row = (await ledger.owedCalls(HASH, START, 20)).find((call) => call.callId === callId);
        expect(row?.door).toBe(`host:${String(winner + 2)}:0`);
      }
    });

    test('an answer that its own door recorded is not owed any more', async () => {
      const { ledger } = await open();
      const callId = await owed(ledger, 'a');
      const result = await answered(ledger, callId, DOOR);
      expect(result).toMatchObject({ written: true, call: { outcome: 'succeeded' } });
      expect(result).not.toHaveProperty('call.isOwed');
      expect(await ledger.getCall(callId)).not.toHaveProperty('isOwed');
      expect(await found(ledger)).toEqual([]);
      expect(await ledger.takeOwed(callId, DOOR, OTHER)).toBeNull();
    });

    test('an answer that another process recorded is owed until a door gives it', async () => {
      const { ledger, clock } = await open();
      const callId = await owed(ledger, 'a');
      clock.now += 1_000;
      expect(await answered(ledger, callId, OTHER)).toMatchObject({ call: { isOwed: true } });
      expect(await ledger.getCall(callId)).toMatchObject({ isOwed: true });
      expect(await found(ledger, { endedFrom: START + 1_001 })).toEqual([]);
      expect(await found(ledger, { endedFrom: START + 1_000 })).toEqual([callId]);
      await ledger.giveOwed(callId, THIRD);
      expect(await found(ledger)).toEqual([callId]);
      await ledger.giveOwed(callId, DOOR);
      expect(await ledger.takeOwed(callId, DOOR, OTHER)).toBeNull();
      expect(await ledger.getCall(callId)).not.toHaveProperty('isOwed');
    });

    test('an answer that a repeat took is owed at its door, until that gives it or leaves it to the next', async () => {
      const { ledger } = await open();
      const callId = await owed(ledger, 'a');
      await answered(ledger, callId, OTHER);
      const replay = { status: 'replay', callId };
      const takers = Array.from({ length: 6 }, (_, n) => `host:${String(n + 2)}:0`);
      const taken = await Promise.all(takers.map((taker) => ledger.takeOwed(callId, DOOR, taker)));
      expect(taken.filter((one) => one !== null)).toEqual([replay]);
      const winner = takers[taken.findIndex((one) => one !== null)] ?? '';
      expect(await ledger.owedCalls(HASH, START, 10)).toMatchObject([{ callId, door: winner }]);
      expect(await ledger.getCall(callId)).toMatchObject({ isOwed: true });
      // It may die with the answer in its hands, or be unable to read it.
      expect(await ledger.takeOwed(callId, winner, DOOR)).toEqual(replay);
      await ledger.leaveOwed(callId, DOOR);
      expect(await ledger.takeOwed(callId, null, THIRD)).toEqual(replay);
      await ledger.giveOwed(callId, THIRD);
      expect(await found(ledger)).toEqual([]);
      expect(await ledger.takeOwed(callId, THIRD, OTHER)).toBeNull();
    });

    test('a call whose client left its door is anyone’s, and its answer too, though that door records it', async () => {
      const { ledger } = await open();
      const callId = await owed(ledger, 'a');
      await ledger.leaveOwed(callId, OTHER);
      expect(await ledger.owedCalls(HASH, START, 10)).toMatchObject([{ door: DOOR }]);
      await ledger.leaveOwed(callId, DOOR);
      expect(await ledger.owedCalls(HASH, START, 10)).toMatchObject([{ door: null }]);
      await answered(ledger, callId, DOOR);
      expect(await ledger.takeOwed(callId, null, OTHER)).toEqual({ status: 'replay', callId });
    });

    test('a call that ended without an answer is given to nobody', async () => {
      const { ledger } = await open();
      const [failed, cancelled] = [await owed(ledger, 'failed'), await owed(ledger, 'cancelled')];
      await ledger.leaveOwed(cancelled, DOOR);
      await ledger.settle(failure(failed, 'all_candidates_failed'));
      await ledger.settle({ ...success(cancelled), outcome: 'cancelled' });
      expect(await found(ledger)).toEqual([]);
      expect(await ledger.takeOwed(failed, DOOR, OTHER)).toBeNull();
      expect(await ledger.takeOwed(cancelled, null, OTHER)).toBeNull();
    });

    test('nothing of the request is left by an erasure, nor by the pruning of its call', async () => {
      const { ledger, clock } = await open();
      const principal = { tenant: 'acme', key: 'app', models: null };
      const call = { kind: 'chat', model: 'smart', principal, tags: { user: 'ann' } } as const;
      const erased = await owed(ledger, 'erased', { call });
      const kept = await owed(ledger, 'kept');
      for (const callId of [erased, kept]) await answered(ledger, callId, OTHER);
      await ledger.erase({ tenant: null, subject: 'ann', actor: 'x' });
      expect(await found(ledger)).toEqual([kept]);
      expect(await ledger.takeOwed(erased, DOOR, OTHER)).toBeNull();
      clock.now += 2 * DAY_MS;
      await ledger.prune(clock.now, DAY_MS);
      expect(await found(ledger)).toEqual([]);
    });
  });
}
