import { describe, expect, test } from 'vitest';
import {
  accepted,
  admitted,
  allowed,
  answerOf,
  budget,
  candidate,
  charge,
  dispatched,
  failure,
  failureOf,
  openInput,
  sums,
} from './fixture.ts';
import type { OpenStore } from './fixture.ts';

export function describeAttempts(open: OpenStore): void {
  describe('admission', () => {
    test('stores its decision and reserves attempt 1; a rerun gives the stored decision', async () => {
      const { ledger } = await open();
      const callId = await accepted(ledger, 'a');
      expect(await ledger.storedAdmission(callId)).toBeNull();
      const input = { callId, admission: allowed, worstCaseNanoUsd: 1000n, budgets: [budget()] };
      expect(await ledger.admit(input)).toEqual(allowed);
      const denied = { allowed: false, decisionId: 'other', error: failure('', 'permission_denied').error } as const;
      if (denied.error === null) throw new Error('no error');
      expect(await ledger.admit({ ...input, admission: { ...denied, error: denied.error } })).toEqual(allowed);
      expect(await ledger.storedAdmission(callId)).toEqual(allowed);
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
      expect(await ledger.getCall(callId)).toMatchObject({
        state: 'admitted',
        attempts: [{ n: 1, state: 'reserved' }],
      });
    });

    test('a denial makes no hold and no attempt', async () => {
      const { ledger } = await open();
      const callId = await accepted(ledger, 'a');
      const error = { code: 'permission_denied', message: 'no', source: 'gateway' } as const;
      const admission = { allowed: false, decisionId: 'd', error } as const;
      expect(await ledger.admit({ callId, admission, worstCaseNanoUsd: null, budgets: [budget()] })).toEqual(admission);
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
    });

    test('a call that ended before is not admitted, and a call that never was is not found', async () => {
      const { ledger } = await open();
      const callId = await accepted(ledger, 'a');
      await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      const input = { admission: allowed, worstCaseNanoUsd: 1n, budgets: [budget()] };
      expect(await ledger.admit({ ...input, callId })).toMatchObject({ allowed: false, error: { code: 'cancelled' } });
      await expect(ledger.admit({ ...input, callId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  describe('G2 never pay twice in silence', () => {
    test('the reserved attempt is the one that is dispatched, under the hold it has', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      expect(lease).toEqual({ callId, attempt: 1, epoch: 1 });
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
      expect(await ledger.getCall(callId)).toMatchObject({
        state: 'running',
        attempts: [{ n: 1, order: 1, state: 'dispatched', credential: 'openai@1' }],
      });
    });

    test('a reservation gives way to another candidate, and its hold to that worst case', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const other = { ...candidate, provider: 'claude', model: 'sonnet' };
      await dispatched(ledger, openInput(callId, { candidate: other, worstCaseNanoUsd: 3000n }));
      expect(await sums(ledger)).toEqual({ held: '3000', spent: '0' });
      expect((await ledger.getCall(callId))?.attempts).toMatchObject([
        { n: 1, provider: 'claude', state: 'dispatched' },
      ]);
    });

    test('another sender of a dispatched order is told that it was interrupted, not to dispatch', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      const interrupted = { status: 'interrupted', lease, responseId: null, delivered: false };
      const another = openInput(callId, { owner: 'host:2:0' });
      expect(await ledger.openAttempt(another)).toEqual(interrupted);
      await ledger.markStreaming(lease, 'resp-9');
      expect(await ledger.openAttempt(another)).toEqual({
        ...interrupted,
        responseId: 'resp-9',
        delivered: true,
      });
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
    });

    test('the sender that asks again, because the word of its first try was lost, gets its lease once more', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const input = openInput(callId, { owner: 'host:1:0/first' });
      const lease = await dispatched(ledger, input);
      expect(await ledger.openAttempt(input)).toEqual({ status: 'dispatched', lease });
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
      expect(await ledger.openAttempt({ ...input, owner: 'host:1:0/second' })).toMatchObject({ status: 'interrupted' });
      // Bytes have left by now, whoever asks.
      await ledger.markStreaming(lease, null);
      expect(await ledger.openAttempt(input)).toMatchObject({ status: 'interrupted' });
    });

    test('a repeat of an answered order gets the end of the call, whatever would end it later', async () => {
      const { ledger, payloads } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      const written = await ledger.recordAnswer(answerOf(lease));
      if (!written.written) throw new Error(written.reason);
      expect(await ledger.recordAnswer(answerOf(lease))).toEqual(written);
      const answeredBefore = { status: 'answered', attempt: 1, call: written.call };
      expect(await ledger.openAttempt(openInput(callId))).toEqual(answeredBefore);
      await ledger.settle(failure(callId, 'cancelled'));
      expect(await ledger.openAttempt(openInput(callId))).toEqual(answeredBefore);
      const stored = await payloads.get(written.call.answerRef ?? '');
      expect(Buffer.from(stored ?? []).toString()).toBe(`answer of ${callId}`);
    });

    test('a repeat of a failed order gets the failure; the next order is a new attempt with its own hold', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      const report = failureOf(lease);
      expect(await ledger.recordFailure(report)).toEqual({ written: true });
      expect(await ledger.recordFailure(report)).toEqual({ written: true });
      expect(await ledger.openAttempt(openInput(callId))).toEqual({
        status: 'failed',
        attempt: 1,
        failure: report.failure,
      });
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
      expect(await dispatched(ledger, openInput(callId, { order: 2 }))).toMatchObject({ attempt: 2 });
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
    });

    test('after fencing, the same order is a new attempt, and the lost one keeps its hold', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      const taken = await ledger.fence(lease, 'its process is gone');
      expect(taken).toEqual({ ...lease, epoch: 2 });
      expect(await ledger.fence(lease, 'again')).toEqual(taken);
      expect(await dispatched(ledger, openInput(callId))).toMatchObject({ attempt: 2 });
      expect(await sums(ledger)).toEqual({ held: '2000', spent: '0' });
      expect((await ledger.getCall(callId))?.attempts).toMatchObject([
        { n: 1, order: 1, state: 'unknown', errorCode: 'outcome_unknown' },
        { n: 2, order: 1, state: 'dispatched' },
      ]);
    });

    test('who asks first is told of a fenced attempt that has an id, until someone says what became of it', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.markStreaming(lease, 'chatcmpl-1');
      const taken = await ledger.fence(lease, 'its process was lost');
      if (!taken) throw new Error('not fenced');
      const input = openInput(callId, { owner: 'other', asksFirst: true });
      const seen = { status: 'interrupted', lease: taken, responseId: 'chatcmpl-1', isFenced: true };
      expect(await ledger.openAttempt(input)).toMatchObject(seen);
      expect(await ledger.openAttempt(input)).toMatchObject(seen);
      expect(await ledger.openAttempt({ ...input, asksFirst: false })).toMatchObject({
        status: 'dispatched',
        lease: { attempt: 2 },
      });
    });

    test('every way to lose an attempt is told to the outbox once, with what it may have cost', async () => {
      const { ledger } = await open();
      const lost = await Promise.all(
        ['fenced', 'reported', 'settled'].map(async (how) => {
          const callId = await admitted(ledger, how);
          const lease = await dispatched(ledger, openInput(callId));
          if (how === 'fenced') await ledger.fence(lease, 'its process is gone');
          if (how === 'fenced') await ledger.fence(lease, 'its process is gone');
          if (how === 'reported') {
            await ledger.recordFailure(failureOf(lease, 'outcome_unknown'));
            await ledger.recordFailure(failureOf(lease, 'outcome_unknown'));
            expect(await ledger.markStreaming(lease, 'r')).toEqual({ written: false, reason: 'ended' });
          }
          await ledger.settle(failure(callId, 'cancelled'));
          return callId;
        }),
      );
      const told = (await ledger.takeOutbox(100)).filter(({ type }) => type === 'attempt-unknown');
      expect(told.map(({ body }) => body['callId']).toSorted()).toEqual(lost.toSorted());
      for (const { body } of told) {
        expect(body).toMatchObject({ attempt: 1, provider: 'openai', model: 'gpt-4o', worstCaseNanoUsd: '1000' });
      }
    });

    test('a fenced writer can no longer write anything', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.fence(lease, 'lost');
      const before = await ledger.getCall(callId);
      const fenced = { written: false, reason: 'fenced' };
      expect(await ledger.markStreaming(lease, 'r')).toEqual(fenced);
      expect(await ledger.recordAnswer(answerOf(lease))).toEqual(fenced);
      expect(await ledger.recordFailure(failureOf(lease))).toEqual(fenced);
      expect(await ledger.getCall(callId)).toEqual(before);
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
    });

    test('who fenced an attempt can record what the provider says of it', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const taken = await ledger.fence(await dispatched(ledger, openInput(callId)), 'lost');
      if (!taken) throw new Error('nothing was taken');
      expect(await ledger.recordAnswer(answerOf(taken))).toMatchObject({ written: true });
      expect(await ledger.openAttempt(openInput(callId))).toMatchObject({ status: 'answered', attempt: 1 });
    });

    test('an answer that was recorded cannot be fenced away', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.recordAnswer(answerOf(lease));
      expect(await ledger.fence(lease, 'late')).toBeNull();
      expect(await ledger.openAttempt(openInput(callId))).toMatchObject({ status: 'answered' });
    });

    test('an outcome that its own writer reports as unknown keeps its hold and is not dispatched again', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.recordFailure(failureOf(lease, 'outcome_unknown'));
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
      expect(await ledger.openAttempt(openInput(callId))).toMatchObject({
        status: 'failed',
        failure: { error: { code: 'outcome_unknown' } },
      });
    });

    test('once the call has ended nothing leaves any more', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      expect(await ledger.openAttempt(openInput(callId))).toEqual({ status: 'ended' });
      expect(await ledger.openAttempt(openInput(callId, { order: 2 }))).toEqual({ status: 'ended' });
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
    });

    test('a failed attempt that was billed all the same is charged what it cost', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId));
      await ledger.recordFailure(failureOf(lease, 'provider_unavailable', charge(150n, { pricing: 'estimated' })));
      expect(await sums(ledger)).toEqual({ held: '0', spent: '150' });
      expect(await ledger.settle(failure(callId, 'all_candidates_failed'))).toMatchObject({
        costNanoUsd: '150',
        pricing: 'estimated',
      });
    });
  });
}
