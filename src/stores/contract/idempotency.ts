import { describe, expect, test } from 'vitest';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AcceptResult } from '../../core/ports/ledger/calls.ts';
import {
  DAY_MS,
  HOUR_MS,
  acceptInput,
  accepted,
  allowed,
  failure,
  inlineRequest,
  openInput,
  success,
} from './fixture.ts';
import type { OpenStore } from './fixture.ts';

function claim(ledger: Ledger, key = 'order-17', bodyHash = 'hash-1'): Promise<AcceptResult> {
  return ledger.accept(acceptInput(`call-${key}`, { idempotency: { key, bodyHash, ttlMs: DAY_MS } }));
}

export function describeIdempotency(open: OpenStore): void {
  describe('G3 same key, same answer', () => {
    test('an accepted call has its row and its request, which comes back as it was', async () => {
      const { ledger, payloads } = await open();
      const result = await ledger.accept(acceptInput('a'));
      if (result.status !== 'accepted') throw new Error(result.status);
      expect(result.input).toMatchObject({
        callId: 'a-g1',
        model: 'smart',
        requestRef: expect.stringMatching(/^p_/) as string,
      });
      const stored = await payloads.get(result.input.requestRef ?? '');
      expect(Buffer.from(stored ?? []).toString()).toBe('request of a');
      expect(await ledger.getCall('a-g1')).toMatchObject({ state: 'accepted', outcome: null, attempts: [] });
    });

    test('accepting the same call id again changes nothing', async () => {
      const { ledger } = await open();
      const first = await ledger.accept(acceptInput('a'));
      expect(await ledger.accept(acceptInput('a'))).toEqual(first);
      expect((await ledger.listCalls({ limit: 10 })).calls).toHaveLength(1);
    });

    test('a second caller with the key of a running call attaches to it', async () => {
      const { ledger } = await open();
      expect(await claim(ledger)).toMatchObject({ status: 'accepted' });
      expect(await claim(ledger)).toMatchObject({ status: 'attached', callId: 'call-order-17-g1' });
      expect((await ledger.listCalls({ limit: 10 })).calls).toHaveLength(1);
    });

    test('who attaches gets the input of the call for as long as nothing of it has left', async () => {
      const { ledger } = await open();
      const first = await claim(ledger);
      if (first.status !== 'accepted') throw new Error('not accepted');
      const { callId } = first.input;
      expect(await claim(ledger)).toEqual({ status: 'attached', callId, unstarted: first.input });
      await ledger.admit({ callId, admission: allowed, worstCaseNanoUsd: null, budgets: [] });
      expect(await claim(ledger)).toMatchObject({ unstarted: { callId } });
      await ledger.openAttempt(openInput(callId));
      expect(await claim(ledger)).toEqual({ status: 'attached', callId });
    });

    test('of ten callers with one key at once, one is accepted and nine attach', async () => {
      const { ledger } = await open();
      const results = await Promise.all(Array.from({ length: 10 }, () => claim(ledger)));
      expect(results.map(({ status }) => status).sort()).toEqual(['accepted', ...Array<string>(9).fill('attached')]);
    });

    test('the key of a call that succeeded replays it', async () => {
      const { ledger } = await open();
      await claim(ledger);
      await ledger.settle(success('call-order-17-g1'));
      expect(await claim(ledger)).toEqual({ status: 'replay', callId: 'call-order-17-g1' });
    });

    test('the same key with another body is a conflict, running or ended', async () => {
      const { ledger } = await open();
      await claim(ledger);
      expect(await claim(ledger, 'order-17', 'hash-2')).toMatchObject({ status: 'conflict' });
      await ledger.settle(success('call-order-17-g1'));
      expect(await claim(ledger, 'order-17', 'hash-2')).toMatchObject({ status: 'conflict' });
    });

    test.each(['provider_rejected', 'budget_exceeded', 'all_candidates_failed', 'provider_timeout'] as const)(
      'the final failure %s is replayed',
      async (code) => {
        const { ledger } = await open();
        await claim(ledger);
        await ledger.settle(failure('call-order-17-g1', code));
        expect(await claim(ledger)).toMatchObject({ status: 'replay' });
      },
    );

    test.each(['rate_limited', 'provider_rate_limited', 'engine_unavailable', 'cancelled'] as const)(
      'after %s the key opens its next generation',
      async (code) => {
        const { ledger } = await open();
        await claim(ledger);
        await ledger.settle(failure('call-order-17-g1', code));
        expect(await claim(ledger)).toMatchObject({ status: 'accepted', input: { callId: 'call-order-17-g2' } });
        expect(await claim(ledger)).toMatchObject({ status: 'attached', callId: 'call-order-17-g2' });
      },
    );

    test.each(['permission_denied', 'budget_exceeded', 'not_found'] as const)(
      'a call that was denied with %s, of which nothing was sent, leaves its key to the next call',
      async (code) => {
        const { ledger } = await open();
        await claim(ledger);
        // While it is being denied its key stands for it, as for any call that runs.
        expect(await claim(ledger)).toMatchObject({ status: 'attached', callId: 'call-order-17-g1' });
        await ledger.settle({ ...failure('call-order-17-g1', code), outcome: 'denied' });
        const repeats = await Promise.all([claim(ledger), claim(ledger)]);
        expect(repeats.map(({ status }) => status).sort()).toEqual(['accepted', 'attached']);
        expect(await claim(ledger)).toMatchObject({ status: 'attached', callId: 'call-order-17-g2' });
        expect((await ledger.listCalls({ limit: 10 })).calls).toHaveLength(2);
        await ledger.settle(success('call-order-17-g2'));
        expect(await claim(ledger)).toEqual({ status: 'replay', callId: 'call-order-17-g2' });
      },
    );

    test('a denied key is still of its body until it expires', async () => {
      const { ledger } = await open();
      await claim(ledger);
      await ledger.settle({ ...failure('call-order-17-g1', 'permission_denied'), outcome: 'denied' });
      expect(await claim(ledger, 'order-17', 'hash-2')).toMatchObject({ status: 'conflict' });
    });

    test('a key counts within its tenant only', async () => {
      const { ledger } = await open();
      await claim(ledger);
      const principal = { tenant: 'other', key: null, models: null };
      const idempotency = { key: 'order-17', bodyHash: 'hash-2', ttlMs: DAY_MS };
      const other = acceptInput('other', { idempotency, call: { kind: 'chat', model: 'smart', principal } });
      expect(await ledger.accept(other)).toMatchObject({ status: 'accepted' });
    });

    test('an expired key is as if it were absent, and its next call has another id', async () => {
      const { ledger, clock } = await open();
      await claim(ledger);
      await ledger.settle(success('call-order-17-g1'));
      clock.now += DAY_MS + 1;
      expect(await claim(ledger, 'order-17', 'hash-2')).toMatchObject({
        status: 'accepted',
        input: { callId: 'call-order-17-g2' },
      });
    });

    test('a key does not expire while its call runs', async () => {
      const { ledger, clock } = await open();
      await claim(ledger);
      clock.now += 10 * DAY_MS;
      await ledger.prune(clock.now, DAY_MS);
      expect(await claim(ledger)).toMatchObject({ status: 'attached', callId: 'call-order-17-g1' });
      expect(await claim(ledger, 'order-17', 'hash-2')).toMatchObject({ status: 'conflict' });
    });

    test('a call stays for as long as its key stands for it, however short calls are kept', async () => {
      const { ledger, clock } = await open();
      await claim(ledger);
      await ledger.settle(success('call-order-17-g1'));
      clock.now += DAY_MS - 1;
      expect((await ledger.prune(clock.now, HOUR_MS)).calls).toBe(0);
      expect(await claim(ledger)).toEqual({ status: 'replay', callId: 'call-order-17-g1' });
      clock.now += 1;
      expect((await ledger.prune(clock.now, HOUR_MS)).calls).toBe(1);
    });

    test('a pruned key does not give the id of a call that is still there', async () => {
      const { ledger, clock } = await open();
      await claim(ledger);
      await ledger.settle(success('call-order-17-g1'));
      clock.now += DAY_MS + HOUR_MS;
      expect(await ledger.prune(clock.now, 10 * DAY_MS)).toEqual({
        damaged: [],
        payloads: 1,
        idempotency: 0,
        calls: 0,
        windows: 0,
      });
      expect(await claim(ledger)).toMatchObject({ status: 'accepted', input: { callId: 'call-order-17-g2' } });
    });

    test('a call that a trusted client started under the derived id is attached to', async () => {
      const { ledger } = await open();
      const principal = { tenant: 'acme', key: null, models: null };
      const input = { callId: 'call-order-17-g1', kind: 'chat', model: 'smart', principal, requestRef: null } as const;
      await ledger.ensureCall(input, inlineRequest('inline request'));
      expect(await claim(ledger)).toMatchObject({ status: 'attached', callId: 'call-order-17-g1' });
    });

    test('ensureCall makes the missing row by reference, and leaves a row that is there', async () => {
      const { ledger, payloads } = await open();
      const principal = { tenant: 'acme', key: null, models: ['smart'] };
      const inline = { wire: 'openai-chat' as const, body: { model: 'smart' }, stream: false };
      const input = {
        callId: 'c',
        kind: 'chat',
        model: 'smart',
        principal,
        requestRef: null,
        tags: { a: 'b' },
      } as const;
      const stored = await ledger.ensureCall({ ...input, inline }, inlineRequest('inline request'));
      expect(stored).toEqual({ ...input, requestRef: expect.stringMatching(/^p_/) as string });
      expect(await payloads.get(stored.requestRef ?? '')).toEqual(Buffer.from('inline request'));
      expect(await ledger.ensureCall({ ...input, inline }, inlineRequest(''))).toEqual(stored);
    });

    test('calls without a key never meet', async () => {
      const { ledger } = await open();
      expect(await accepted(ledger, 'a')).not.toBe(await accepted(ledger, 'b'));
    });
  });
}
