import { describe, expect, test } from 'vitest';
import { DAY_MS, HOUR_MS, START } from './fixture.ts';
import {
  accepted,
  admitted,
  answerOf,
  budget,
  charge,
  dispatched,
  failure,
  failureOf,
  openInput,
  success,
  sums,
} from './fixture.ts';
import type { OpenStore } from './fixture.ts';

export function describeSettlement(open: OpenStore): void {
  describe('settlement', () => {
    test('with an answer replaces the hold by the cost, ends the call and tells the outbox once', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const written = await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId))));
      if (!written.written) throw new Error(written.reason);
      const view = written.call;
      expect(await ledger.settle(success(callId, view.answerRef))).toEqual(view);
      expect(view).toEqual(await ledger.getCall(callId));
      expect(view).toEqual({
        id: callId,
        tenant: 'acme',
        kind: 'chat',
        model: 'smart',
        state: 'ended',
        outcome: 'succeeded',
        createdAt: '2026-11-20T12:00:00.000Z',
        endedAt: '2026-11-20T12:00:00.000Z',
        costNanoUsd: '400',
        pricing: 'priced',
        error: null,
        key: 'app',
        tags: {},
        requestRef: expect.stringMatching(/^p_/) as string,
        answerRef: expect.stringMatching(/^p_/) as string,
        attempts: [
          {
            n: 1,
            order: 1,
            provider: 'openai',
            model: 'gpt-4o',
            credential: 'openai@1',
            state: 'settled',
            startedAt: '2026-11-20T12:00:00.000Z',
            firstTokenAt: '2026-11-20T12:00:00.005Z',
            endedAt: '2026-11-20T12:00:00.000Z',
            usage: expect.objectContaining({ inputTokens: 10, outputTokens: 5 }) as object,
            costNanoUsd: '400',
            pricing: 'priced',
          },
        ],
      });
      expect(await sums(ledger)).toEqual({ held: '0', spent: '400' });
      const events = await ledger.takeOutbox(10);
      expect(events).toMatchObject([{ type: 'call-end', body: { callId, costNanoUsd: '400', attempts: 1 } }]);
      expect(JSON.stringify(events)).not.toContain('request of a');
    });

    test('the first settlement stands; a repeat, even another one, returns it', async () => {
      const { ledger, clock } = await open();
      const callId = await admitted(ledger, 'a');
      const first = await ledger.settle(success(callId));
      clock.now += HOUR_MS;
      expect(await ledger.settle(failure(callId, 'cancelled'))).toEqual(first);
      expect(await ledger.takeOutbox(10)).toHaveLength(1);
    });

    test('an attempt that was never dispatched leaves no row and no hold', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      expect(await ledger.settle(failure(callId, 'cancelled'))).toMatchObject({ attempts: [], costNanoUsd: '0' });
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
    });

    test('an attempt that did not report becomes unknown, keeps its hold, and makes the cost an estimate', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      await dispatched(ledger, openInput(callId));
      const view = await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      expect(view).toMatchObject({ pricing: 'estimated', attempts: [{ state: 'unknown' }] });
      expect(await ledger.getCall(callId)).toEqual(view);
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
    });

    test('a report after the end corrects the money and tells its writer that the call has ended', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      const ended = { written: false, reason: 'ended' };
      expect(await ledger.recordAnswer(answerOf(lease, 300n))).toEqual(ended);
      expect(await ledger.recordAnswer(answerOf(lease, 900n))).toEqual(ended);
      expect(await sums(ledger)).toEqual({ held: '0', spent: '300' });
      expect(await ledger.getCall(callId)).toMatchObject({
        outcome: 'cancelled',
        answerRef: null,
        costNanoUsd: '300',
        pricing: 'priced',
        attempts: [{ state: 'reconciled', costNanoUsd: '300' }],
      });
    });

    test('a failure without cost reported after the end gives the hold back', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      expect(await ledger.recordFailure(failureOf(lease))).toEqual({ written: false, reason: 'ended' });
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
    });

    test('an answer without a price makes the call unpriced and spends nothing', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId)), null));
      expect(await ledger.getCall(callId)).toMatchObject({ state: 'ended', costNanoUsd: '0', pricing: 'unpriced' });
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
    });

    test('the cost of a call is the sum over its attempts', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const first = await dispatched(ledger, openInput(callId));
      await ledger.recordFailure({ ...failureOf(first), charge: answerOf(first, 70n).charge });
      expect(await ledger.getCall(callId)).toMatchObject({ state: 'running', costNanoUsd: '70' });
      await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId, { order: 2 })), 400n));
      expect(await ledger.getCall(callId)).toMatchObject({ state: 'ended', costNanoUsd: '470', pricing: 'priced' });
    });

    test('settling a call that never was is not found', async () => {
      const { ledger } = await open();
      await expect(ledger.settle(success('nobody'))).rejects.toMatchObject({ code: 'not_found' });
    });

    test('a charge after the end of a period is booked in the window of its hold', async () => {
      const { ledger, clock } = await open();
      const daily = budget({ period: 'day' });
      const callId = await admitted(ledger, 'a', [daily]);
      const lease = await dispatched(ledger, openInput(callId, { budgets: [daily] }));
      clock.now += DAY_MS;
      await ledger.recordAnswer(answerOf(lease));
      expect(await sums(ledger, daily)).toEqual({ held: '0', spent: '0' });
      clock.now = START;
      expect(await sums(ledger, daily)).toEqual({ held: '0', spent: '400' });
    });

    test('unknown attempts are booked at their hold once they are old, as an estimate', async () => {
      const { ledger, clock } = await open();
      const callId = await admitted(ledger, 'a');
      await dispatched(ledger, openInput(callId));
      await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      expect(await ledger.abandonUnknown(clock.now)).toBe(0);
      expect(await ledger.abandonUnknown(clock.now + 1)).toBe(1);
      expect(await ledger.abandonUnknown(clock.now + 1)).toBe(0);
      expect(await sums(ledger)).toEqual({ held: '0', spent: '1000' });
      expect(await ledger.getCall(callId)).toMatchObject({
        costNanoUsd: '1000',
        pricing: 'estimated',
        attempts: [{ state: 'abandoned', costNanoUsd: '1000' }],
      });
    });

    test('an unknown attempt with an id is listed once its call has ended, and is booked at what it cost', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.markStreaming(lease, 'resp_1');
      const taken = await ledger.fence(lease, 'its process was lost');
      if (!taken) throw new Error('not fenced');
      expect(await ledger.reviewAttempt(callId, 1)).toMatchObject({ status: 'interrupted', lease: taken });
      expect(await ledger.unknownAttempts(0, 10)).toEqual([]);
      expect(await ledger.reconcileUnknown(taken, charge(1n))).toBe(false);
      await ledger.settle(failure(callId, 'outcome_unknown'));
      expect(await ledger.reviewAttempt(callId, 1)).toEqual({ status: 'ended' });
      expect(await ledger.unknownAttempts(0, 10)).toMatchObject([
        { lease: taken, responseId: 'resp_1', provider: 'openai', tenant: 'acme' },
      ]);
      expect(await ledger.unknownAttempts(START + DAY_MS, 10)).toEqual([]);
      expect(await ledger.reconcileUnknown(lease, charge(400n))).toBe(false);
      expect(await ledger.reconcileUnknown(taken, charge(400n))).toBe(true);
      expect(await ledger.reconcileUnknown(taken, charge(400n))).toBe(false);
      expect(await sums(ledger)).toEqual({ held: '0', spent: '400' });
      expect(await ledger.getCall(callId)).toMatchObject({
        costNanoUsd: '400',
        pricing: 'priced',
        attempts: [{ state: 'reconciled', costNanoUsd: '400' }],
      });
    });

    test('an unknown attempt of which nobody will ever know is booked at its hold', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      await ledger.markStreaming(await dispatched(ledger, openInput(callId)), 'resp_1');
      await ledger.settle(failure(callId, 'cancelled'));
      expect(await ledger.abandonAttempt(callId, 1)).toBe(true);
      expect(await ledger.abandonAttempt(callId, 1)).toBe(false);
      expect(await sums(ledger)).toEqual({ held: '0', spent: '1000' });
      expect(await ledger.unknownAttempts(0, 10)).toEqual([]);
    });

    test('a review takes nothing: it shows how an order stands, and null for one that there is not', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      expect(await ledger.reviewAttempt(callId, 2)).toBeNull();
      expect(await ledger.reviewAttempt('nobody', 1)).toBeNull();
      const lease = await dispatched(ledger, openInput(callId));
      expect(await ledger.reviewAttempt(callId, 1)).toMatchObject({ status: 'interrupted', lease, responseId: null });
      await ledger.recordAnswer(answerOf(lease));
      expect(await ledger.reviewAttempt(callId, 1)).toMatchObject({ status: 'answered', attempt: 1 });
    });

    test('calls that have not ended are found by age', async () => {
      const { ledger, clock } = await open();
      const first = await accepted(ledger, 'a');
      clock.now += HOUR_MS;
      const second = await admitted(ledger, 'b');
      await ledger.settle(success(await accepted(ledger, 'c')));
      const open1 = await ledger.openCalls(clock.now, 10);
      expect(open1).toMatchObject([{ input: { callId: first }, state: 'accepted', createdAt: START }]);
      expect((await ledger.openCalls(clock.now + 1, 10)).map(({ input }) => input.callId)).toEqual([first, second]);
      expect(await ledger.openCalls(clock.now + 1, 1)).toHaveLength(1);
    });

    test('unstarted calls are those open ones of which no attempt was opened', async () => {
      const { ledger, clock } = await open();
      const accepted1 = await accepted(ledger, 'a');
      const opened = await accepted(ledger, 'b');
      await ledger.openAttempt(openInput(opened));
      await ledger.settle(success(await accepted(ledger, 'c')));
      expect(await ledger.unstartedCalls(clock.now + 1, 10)).toMatchObject([
        { input: { callId: accepted1 }, state: 'accepted', createdAt: START, isKeyed: false },
      ]);
      expect(await ledger.unstartedCalls(START, 10)).toEqual([]);
    });
  });
}
