import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AcceptInput } from '../../core/ports/ledger/calls.ts';
import { DAY_MS, HOUR_MS, acceptInput, admitted, answerOf, bytes, dispatched, openInput, sums } from './fixture.ts';
import type { OpenStore } from './fixture.ts';

const claim = { key: 'k', bodyHash: 'hash of the body', ttlMs: HOUR_MS };

function callOf(user: string | null, tenant = 'acme', change: Partial<AcceptInput> = {}): Partial<AcceptInput> {
  const principal = { tenant, key: 'app', models: null };
  const tags: Record<string, string> = user === null ? { team: 'blue' } : { user, team: 'blue' };
  return { call: { kind: 'chat', model: 'smart', principal, tags }, ...change };
}

/** Accepts a call; gives its id and where its request is. */
async function accept(ledger: Ledger, id: string, change: Partial<AcceptInput>) {
  const result = await ledger.accept(acceptInput(id, { requestBytes: bytes('the same question'), ...change }));
  if (result.status !== 'accepted') throw new Error(`not accepted: ${result.status}`);
  return { id: result.input.callId, ref: result.input.requestRef ?? '' };
}

async function answered(ledger: Ledger, id: string): Promise<void> {
  await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(id))));
}

const cancelled = (callId: string) => ({ callId, outcome: 'cancelled', answerRef: null, error: null }) as const;

/** Twenty rows of text, another one for each turn, about two kilobytes together. */
function turn(number: number): object {
  const text = createHash('shake256', { outputLength: 700 })
    .update(`turn ${String(number)}`)
    .digest('hex');
  return { role: number % 2 === 0 ? 'user' : 'assistant', content: text };
}

function requestOf(turns: number): Uint8Array {
  const messages = Array.from({ length: turns }, (_, number) => turn(number));
  return bytes(JSON.stringify({ wire: 'openai-chat', body: { model: 'smart', messages }, stream: false }));
}

export function describeDataKeys(open: OpenStore): void {
  describe('data keys', () => {
    test('one content is one payload within a scope, and never one of two tenants or subjects', async () => {
      const { ledger } = await open();
      const refs = [
        await accept(ledger, 'a', callOf(null)),
        await accept(ledger, 'b', callOf(null)),
        await accept(ledger, 'c', callOf('ann')),
        await accept(ledger, 'd', callOf('ann')),
        await accept(ledger, 'e', callOf('bob')),
        await accept(ledger, 'f', callOf('ann', 'other')),
        await accept(ledger, 'g', callOf('')),
      ].map(({ ref }) => ref);
      expect(refs[1]).toBe(refs[0]);
      expect(refs[6]).toBe(refs[0]);
      expect(refs[3]).toBe(refs[2]);
      expect(new Set(refs).size).toBe(4);
    });

    test('many first calls of one subject at once make one key', async () => {
      const { ledger } = await open();
      const calls = await Promise.all(
        Array.from({ length: 12 }, (_, index) => accept(ledger, `call-${String(index)}`, callOf('ann'))),
      );
      expect(new Set(calls.map(({ ref }) => ref)).size).toBe(1);
    });
  });

  describe('long conversations', () => {
    const TURNS = 200;

    test('each turn adds what is new and little more, though it sends all that was said before', async () => {
      const { ledger, payloads, storedBytes } = await open();
      let sent = 0;
      let afterHalf = 0;
      for (let count = 1; count <= TURNS; count += 1) {
        const requestBytes = requestOf(count);
        sent += requestBytes.length;
        const { ref } = await accept(ledger, `turn-${String(count)}`, callOf('ann', 'acme', { requestBytes }));
        if (count % 50 === 0) expect(Buffer.compare((await payloads.get(ref)) ?? bytes(''), requestBytes)).toBe(0);
        if (count === TURNS / 2) afterHalf = await storedBytes();
      }
      const stored = await storedBytes();
      expect(sent).toBeGreaterThan(25_000_000);
      expect(stored).toBeLessThan(TURNS * 12_000);
      expect(stored - afterHalf).toBeLessThan(afterHalf * 1.6);
    }, 120_000);

    test('a long content belongs to one scope, is erased with its parts, and is sealed again with them', async () => {
      const { ledger, payloads, keys, storedBytes } = await open();
      const requestBytes = requestOf(40);
      const ann = await accept(ledger, 'ann', callOf('ann', 'acme', { requestBytes }));
      const bob = await accept(ledger, 'bob', callOf('bob', 'acme', { requestBytes }));
      expect(ann.ref).not.toBe(bob.ref);
      expect(await keys.rotateDataKeys('x')).toMatchObject({ unreadable: 0, destroyed: 2 });
      for (const { ref } of [ann, bob]) expect(await payloads.get(ref)).toEqual(requestBytes);
      await ledger.settle(cancelled(ann.id));
      const before = await storedBytes();
      await ledger.erase({ tenant: null, subject: 'ann', actor: 'x' });
      expect(await payloads.get(ann.ref)).toBeNull();
      expect(await payloads.get(bob.ref)).toEqual(requestBytes);
      expect((await storedBytes()) / before).toBeCloseTo(0.5, 1);
    });

    test("a subject's key goes with its last payload, a tenant's key stays, and the subject's next call gets another", async () => {
      const { ledger, keys, payloads, clock } = await open();
      const [ann, bob, none] = [
        await accept(ledger, 'a', callOf('ann')),
        await accept(ledger, 'b', callOf('bob')),
        await accept(ledger, 'c', callOf(null)),
      ];
      for (const { id } of [ann, none]) await ledger.settle(cancelled(id));
      clock.now += 2 * DAY_MS;
      expect(await ledger.prune(clock.now, 90 * DAY_MS)).toMatchObject({ payloads: 2, calls: 0 });
      const again = await accept(ledger, 'd', callOf('ann'));
      expect(await payloads.get(again.ref)).toEqual(bytes('the same question'));
      expect(await payloads.get(bob.ref)).toEqual(bytes('the same question'));
      await ledger.settle(cancelled(again.id));
      clock.now += 2 * DAY_MS;
      await ledger.prune(clock.now, 90 * DAY_MS);
      // Bob's call is open and keeps its request; the tenant's own key is the other.
      expect(await keys.rotateDataKeys('op')).toMatchObject({ retired: 2, unreadable: 0 });
    });

    test('parts live as long as any call that has them, an open call keeps its own, and then all are pruned', async () => {
      const { ledger, payloads, clock, storedBytes } = await open();
      const first = await accept(ledger, 'first', callOf(null, 'acme', { requestBytes: requestOf(40) }));
      clock.now += 0.9 * DAY_MS;
      const second = await accept(ledger, 'second', callOf(null, 'acme', { requestBytes: requestOf(41) }));
      await ledger.settle(cancelled(first.id));
      clock.now += 0.8 * DAY_MS;
      await ledger.prune(clock.now, 90 * DAY_MS);
      expect(await payloads.get(first.ref)).toBeNull();
      expect(await payloads.get(second.ref)).toEqual(requestOf(41));
      clock.now += 5 * DAY_MS;
      expect(await payloads.get(second.ref)).toEqual(requestOf(41));
      for (const _day of [1, 2, 3]) {
        await ledger.prune(clock.now, 90 * DAY_MS);
        expect(await payloads.get(second.ref)).toEqual(requestOf(41));
        clock.now += DAY_MS;
      }
      await ledger.settle(cancelled(second.id));
      clock.now += 30 * DAY_MS;
      await ledger.prune(clock.now, 90 * DAY_MS);
      expect(await storedBytes()).toBe(0);
    });

    test('a content whose list is long itself comes back as it was, and a little more of it takes little more', async () => {
      const { payloads, clock, storedBytes } = await open();
      const content = createHash('shake256', { outputLength: 6_000_000 }).update('content').digest();
      const first = await payloads.put('acme', content, clock.now + HOUR_MS);
      expect(first).toMatch(/^m2_/);
      const before = await storedBytes();
      const longer = Buffer.concat([content, createHash('shake256', { outputLength: 1_000 }).update('more').digest()]);
      const second = await payloads.put('acme', longer, clock.now + HOUR_MS);
      expect((await storedBytes()) - before).toBeLessThan(60_000);
      for (const [ref, expected] of [
        [first, content],
        [second, longer],
      ] as const) {
        expect(Buffer.compare((await payloads.get(ref)) ?? bytes(''), expected)).toBe(0);
      }
    });

    test('two that store one conversation at once both have it whole', async () => {
      const { ledger, payloads } = await open();
      const stored = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          accept(ledger, `call-${String(index)}`, callOf(null, 'acme', { requestBytes: requestOf(30 + (index % 2)) })),
        ),
      );
      for (const [index, { ref }] of stored.entries())
        expect(await payloads.get(ref)).toEqual(requestOf(30 + (index % 2)));
    });
  });

  describe('new data keys', () => {
    test('what is stored keeps its name and opens, what comes is sealed by other keys, and the old are gone', async () => {
      const { ledger, payloads, keys } = await open();
      const ids = Array.from({ length: 40 }, (_, index) => `call-${String(index)}`);
      const before = await Promise.all(
        ids.map((id, index) =>
          accept(
            ledger,
            id,
            callOf(index % 2 === 0 ? 'ann' : null, 'acme', { requestBytes: bytes(`question of ${id}`) }),
          ),
        ),
      );
      expect(await keys.rotateDataKeys('tester')).toEqual({ retired: 2, resealed: 40, unreadable: 0, destroyed: 2 });
      for (const [index, { ref }] of before.entries()) {
        expect(await payloads.get(ref)).toEqual(bytes(`question of ${ids[index] ?? ''}`));
      }
      const again = await accept(ledger, 'again', callOf('ann', 'acme', { requestBytes: bytes('question of call-0') }));
      expect(again.ref).not.toBe(before[0]?.ref);
      expect((await ledger.listAudit(0, 10)).map(({ action }) => action)).toEqual(['data-keys.rotate']);
      for (const { id } of [...before, again]) await ledger.settle(cancelled(id));
      await ledger.erase({ tenant: null, subject: 'ann', actor: 'x' });
      expect(await payloads.get(before[0]?.ref ?? '')).toBeNull();
      expect(await payloads.get(before[1]?.ref ?? '')).not.toBeNull();
    });

    test('calls go on while the keys change', async () => {
      const { ledger, payloads, keys } = await open();
      const calls = Array.from({ length: 30 }, (_, index) => accept(ledger, `call-${String(index)}`, callOf('ann')));
      const [rotation, ...accepted] = await Promise.all([keys.rotateDataKeys('x'), ...calls]);
      expect(rotation.unreadable).toBe(0);
      for (const { ref } of accepted) expect(await payloads.get(ref)).toEqual(bytes('the same question'));
    });

    test('under a new master key the old one opens nothing, and whoever has it makes no keys', async () => {
      const { ledger, payloads, keys } = await open();
      const { ref } = await accept(ledger, 'a', callOf('ann'));
      expect(await keys.changeMasterKey(new Uint8Array(32).fill(9), 'tester')).toBe(3);
      expect(await payloads.get(ref)).toEqual(bytes('the same question'));
      await expect(accept(ledger, 'b', callOf('bob'))).rejects.toMatchObject({ code: 'engine_unavailable' });
      await expect(keys.changeMasterKey(new Uint8Array(32).fill(8), 'x')).rejects.toThrow(/was changed by another/);
    });
  });

  describe('erasing', () => {
    test('what a subject said is gone, and the costs, other subjects and other tenants stay', async () => {
      const { ledger, payloads, clock } = await open();
      // A handle is random text, which may well hold the letters of a name, but never a `~`.
      const subject = 'ann~';
      const ann = await accept(ledger, 'call', callOf(subject));
      await answered(ledger, ann.id);
      const answerRef = (await ledger.getCall(ann.id))?.answerRef ?? '';
      const others = [
        await accept(ledger, 'bob', callOf('bob')),
        await accept(ledger, 'none', callOf(null)),
        await accept(ledger, 'far', callOf(subject, 'other')),
      ];
      for (const { id } of others) await ledger.settle(cancelled(id));
      const before = await ledger.getCall(ann.id);
      clock.now += 1000;

      const erasure = await ledger.erase({ tenant: 'acme', subject, actor: 'tester' });

      expect(erasure).toMatchObject({ tenant: 'acme', keys: 1, calls: 1, payloads: 2 });
      expect(await payloads.get(ann.ref)).toBeNull();
      expect(await payloads.get(answerRef)).toBeNull();
      for (const { ref } of others) expect(await payloads.get(ref)).toEqual(bytes('the same question'));
      const after = await ledger.getCall(ann.id);
      expect(after).toEqual({
        ...before,
        erasedAt: '2026-11-20T12:00:01.000Z',
        requestRef: null,
        answerRef: null,
        tags: { user: '(erased)', team: 'blue' },
      });
      const [entry] = await ledger.listAudit(0, 10);
      expect(entry).toMatchObject({
        actor: 'tester',
        action: 'content.erase',
        subject: `subject:${String(erasure.subject)}`,
      });
      expect(JSON.stringify(entry)).not.toContain(subject);
      expect(await ledger.verifyAudit()).toMatchObject({ brokenAt: null });
    });

    test('all of a tenant is gone, its subjects too, and its budget still knows what was spent', async () => {
      const { ledger, payloads } = await open();
      const refs: string[] = [];
      for (const user of [null, 'ann', 'bob']) {
        const call = await accept(ledger, `of ${String(user)}`, callOf(user));
        await ledger.settle(cancelled(call.id));
        refs.push(call.ref);
      }
      await answered(ledger, await admitted(ledger, 'paid'));
      const far = await accept(ledger, 'far', callOf('ann', 'other'));
      const spent = await sums(ledger);
      expect(await ledger.erase({ tenant: 'acme', subject: null, actor: 'tester' })).toMatchObject({
        keys: 3,
        calls: 4,
      });
      expect(await Promise.all(refs.map((ref) => payloads.get(ref)))).toEqual([null, null, null]);
      expect(await payloads.get(far.ref)).not.toBeNull();
      expect(await sums(ledger)).toEqual(spent);
      expect(spent.spent).not.toBe('0');
    });

    test('a subject without a tenant is erased in all of them', async () => {
      const { ledger, payloads } = await open();
      const calls = [await accept(ledger, 'a', callOf('ann')), await accept(ledger, 'b', callOf('ann', 'other'))];
      for (const { id } of calls) await ledger.settle(cancelled(id));
      expect(await ledger.erase({ tenant: null, subject: 'ann', actor: 'x' })).toMatchObject({ keys: 2, calls: 2 });
      for (const { ref } of calls) expect(await payloads.get(ref)).toBeNull();
    });

    test('a call after the erasure gets a fresh key, and nothing of the old comes back', async () => {
      const { ledger, payloads } = await open();
      const before = await accept(ledger, 'before', callOf('ann'));
      await ledger.settle(cancelled(before.id));
      await ledger.erase({ tenant: null, subject: 'ann', actor: 'x' });
      const after = await accept(ledger, 'after', callOf('ann'));
      expect(after.ref).not.toBe(before.ref);
      expect(await payloads.get(after.ref)).toEqual(bytes('the same question'));
      expect(await payloads.get(before.ref)).toBeNull();
      expect((await ledger.getCall(after.id))?.tags['user']).toBe('ann');
    });

    test('is refused while a call of it is open, and then nothing is erased', async () => {
      const { ledger, payloads } = await open();
      const call = await accept(ledger, 'open', callOf('ann'));
      await expect(ledger.erase({ tenant: 'acme', subject: 'ann', actor: 'x' })).rejects.toMatchObject({
        code: 'invalid_request',
        details: { open: 1 },
      });
      await expect(ledger.erase({ tenant: 'acme', subject: null, actor: 'x' })).rejects.toThrow(/have not ended/);
      expect(await payloads.get(call.ref)).not.toBeNull();
      expect(await ledger.listAudit(0, 10)).toEqual([]);
      const bob = await accept(ledger, 'of bob', callOf('bob'));
      await ledger.settle(cancelled(bob.id));
      await ledger.erase({ tenant: 'acme', subject: 'bob', actor: 'x' });
      await answered(ledger, call.id);
    });

    test('an idempotency key still stands for the erased call, whatever body comes with it', async () => {
      const { ledger } = await open();
      const call = await accept(ledger, 'keyed', callOf('ann', 'acme', { idempotency: claim }));
      await answered(ledger, call.id);
      await ledger.erase({ tenant: null, subject: 'ann', actor: 'x' });
      const other = { ...claim, bodyHash: 'hash of another' };
      for (const again of [claim, other]) {
        expect(await ledger.lookUpKey('acme', again)).toEqual({ status: 'replay', callId: call.id });
      }
    });

    test('what is neither named nor known is refused, and a repeat is not', async () => {
      const { ledger } = await open();
      await expect(ledger.erase({ tenant: null, subject: null, actor: 'x' })).rejects.toThrow(/Say what to erase/);
      const call = await accept(ledger, 'a', callOf('ann'));
      await ledger.settle(cancelled(call.id));
      for (const unknown of [
        { tenant: 'nobody', subject: null },
        { tenant: 'acme', subject: 'Ann' },
        { tenant: 'other', subject: 'ann' },
      ]) {
        await expect(ledger.erase({ ...unknown, actor: 'x' })).rejects.toMatchObject({ code: 'not_found' });
      }
      expect(await ledger.listAudit(0, 10)).toEqual([]);
      const scope = { tenant: 'acme', subject: 'ann', actor: 'x' };
      expect(await ledger.erase(scope)).toMatchObject({ keys: 1, calls: 1, isDone: true });
      expect(await ledger.erase(scope)).toMatchObject({ keys: 0, calls: 0, isDone: true });
    });

    test('a tenant of more calls than one batch is erased whole', async () => {
      const { ledger } = await open();
      const calls = await Promise.all(
        Array.from({ length: 450 }, (_, index) => accept(ledger, `call-${String(index)}`, callOf(null))),
      );
      await Promise.all(calls.map(({ id }) => ledger.settle(cancelled(id))));
      expect(await ledger.erase({ tenant: 'acme', subject: null, actor: 'x' })).toMatchObject({
        calls: 450,
        isDone: true,
      });
      const { calls: page } = await ledger.listCalls({ limit: 1000 });
      expect(page.filter(({ erasedAt, requestRef }) => erasedAt !== undefined && requestRef === null)).toHaveLength(
        450,
      );
    });
  });
}
