import { describe, expect, test } from 'vitest';
import {
  DAY_MS,
  HOUR_MS,
  accepted,
  acceptInput,
  admitted,
  answerOf,
  bytes,
  dispatched,
  openInput,
  success,
} from './fixture.ts';
import type { OpenStore } from './fixture.ts';

const key = {
  name: 'acme-app',
  tenant: 'acme',
  hash: 'hk1:00',
  models: ['smart'],
  team: 'blue',
  roles: ['caller'],
  expiresAt: null,
};

export function describeRecords(open: OpenStore): void {
  describe('listing calls', () => {
    test('pages newest first, each call once, also among calls of one instant', async () => {
      const { ledger, clock } = await open();
      const ids: string[] = [];
      for (let index = 0; index < 25; index += 1) {
        ids.push(await accepted(ledger, `call-${String(index).padStart(2, '0')}`));
        if (index % 7 === 6) clock.now += 1;
      }
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await ledger.listCalls({ limit: 4, ...(after !== undefined && { after }) });
        seen.push(...page.calls.map(({ id }) => id));
        after = page.next ?? undefined;
      } while (after !== undefined);
      expect(seen).toEqual(ids.reverse());
    });

    test('filters by tenant and state', async () => {
      const { ledger } = await open();
      await accepted(ledger, 'a');
      await ledger.settle(success(await accepted(ledger, 'b')));
      const principal = { tenant: 'other', key: null, models: null };
      await ledger.accept(
        acceptInput('c', { call: { kind: 'embedding', model: 'e', principal, tags: { team: 'x' } } }),
      );
      const ids = async (filter: object) =>
        (await ledger.listCalls({ limit: 10, ...filter })).calls.map(({ id }) => id);
      expect(await ids({ tenant: 'acme' })).toEqual(['b-g1', 'a-g1']);
      expect(await ids({ state: 'ended' })).toEqual(['b-g1']);
      expect(await ids({ tenant: 'other', state: 'accepted' })).toEqual(['c-g1']);
      expect(await ledger.getCall('c-g1')).toMatchObject({ kind: 'embedding', key: null, tags: { team: 'x' } });
      expect(await ledger.getCall('nobody')).toBeNull();
    });

    test.each(['', 'garbage', 'MTI', '!!!!', Buffer.from('1.a ').toString('base64')])(
      'refuses the cursor %j that it did not make',
      async (after) => {
        const { ledger } = await open();
        await expect(ledger.listCalls({ limit: 1, after })).rejects.toMatchObject({
          code: 'invalid_request',
          param: 'after',
        });
      },
    );

    test.each([0, 1001, 1.5, Number.NaN])('refuses the limit %d', async (limit) => {
      const { ledger } = await open();
      await expect(ledger.listCalls({ limit })).rejects.toMatchObject({ code: 'invalid_request', param: 'limit' });
    });
  });

  describe('G5 payloads', () => {
    test('the same content of two tenants has two references, of one tenant one', async () => {
      const { payloads, clock } = await open();
      const expiry = clock.now + HOUR_MS;
      const ref = await payloads.put('acme', bytes('hello'), expiry);
      expect(await payloads.put('acme', bytes('hello'), expiry)).toBe(ref);
      expect(await payloads.put('other', bytes('hello'), expiry)).not.toBe(ref);
      expect(ref).toMatch(/^p_[\w-]{43}$/);
    });

    test('an empty payload and one of a megabyte come back as they were', async () => {
      const { payloads, clock } = await open();
      for (const content of [new Uint8Array(), new Uint8Array(1_000_000).fill(7)]) {
        const ref = await payloads.put('acme', content, clock.now + HOUR_MS);
        expect(Buffer.compare((await payloads.get(ref)) ?? bytes('missing'), content)).toBe(0);
      }
    });

    test('a payload is gone at its expiry; storing it again extends the expiry and never shortens it', async () => {
      const { payloads, clock } = await open();
      const ref = await payloads.put('acme', bytes('hello'), clock.now + HOUR_MS);
      await payloads.put('acme', bytes('hello'), clock.now + 2 * HOUR_MS);
      await payloads.put('acme', bytes('hello'), clock.now + 1);
      clock.now += 2 * HOUR_MS - 1;
      expect(await payloads.get(ref)).not.toBeNull();
      clock.now += 1;
      expect(await payloads.get(ref)).toBeNull();
      expect(await payloads.get('p_nobody')).toBeNull();
    });
  });

  describe('virtual keys', () => {
    test('a key is found by its hash, listed, and revoked once', async () => {
      const { ledger, clock } = await open();
      const created = await ledger.createKey(key, 'boss');
      expect(created).toEqual({ ...key, createdAt: '2026-11-20T12:00:00.000Z', revokedAt: null });
      expect(await ledger.createKey(key, 'boss')).toEqual(created);
      expect(await ledger.findKey('hk1:00')).toEqual(created);
      expect(await ledger.findKey('hk1:ff')).toBeNull();
      expect(await ledger.keyNamed('acme-app')).toEqual(created);
      expect(await ledger.keyNamed('nobody')).toBeNull();
      const revoked = await ledger.revokeKey('acme-app', 'chief');
      expect(revoked).toEqual({ ...created, revokedAt: '2026-11-20T12:00:00.000Z' });
      clock.now += HOUR_MS;
      expect(await ledger.revokeKey('acme-app', 'chief')).toEqual(revoked);
      expect(await ledger.revokeKey('nobody', 'chief')).toBeNull();
      expect(await ledger.listKeys()).toEqual([revoked]);
    });

    test('a name is given once', async () => {
      const { ledger } = await open();
      await ledger.createKey(key, 'boss');
      await expect(ledger.createKey({ ...key, hash: 'hk1:01' }, 'boss')).rejects.toMatchObject({
        code: 'invalid_request',
        param: 'name',
      });
    });

    test('what was done to a key is in the audit log, once and with who did it', async () => {
      const { ledger } = await open();
      for (let times = 0; times < 2; times++) await ledger.createKey({ ...key, team: 'blue' }, 'boss');
      await expect(ledger.createKey({ ...key, hash: 'hk1:01' }, 'boss')).rejects.toThrow();
      for (const name of ['acme-app', 'acme-app', 'nobody']) await ledger.revokeKey(name, 'chief');
      expect(await ledger.listAudit(0, 10)).toMatchObject([
        { actor: 'boss', action: 'key.create', subject: 'acme-app', details: { tenant: 'acme', team: 'blue' } },
        { actor: 'chief', action: 'key.revoke', subject: 'acme-app', details: {} },
      ]);
    });
  });

  describe('audit', () => {
    test('entries are chained and the chain verifies', async () => {
      const { ledger } = await open();
      for (const subject of ['a', 'b', 'c']) {
        await ledger.appendAudit({ actor: 'cli', action: 'key-create', subject, details: { z: 1, a: [true, null] } });
      }
      const entries = await ledger.listAudit(0, 10);
      expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
      expect(entries[1]?.previousHash).toBe(entries[0]?.hash);
      expect(entries[0]?.details).toEqual({ a: [true, null], z: 1 });
      expect(await ledger.listAudit(2, 10)).toEqual(entries.slice(2));
      expect(await ledger.verifyAudit()).toEqual({ entries: 3, brokenAt: null });
    });

    test('entries written at once still make one chain', async () => {
      const { ledger } = await open();
      const append = (_: unknown, index: number) =>
        ledger.appendAudit({ actor: 'cli', action: 'x', subject: String(index), details: {} });
      await Promise.all(Array.from({ length: 20 }, append));
      expect(await ledger.verifyAudit()).toEqual({ entries: 20, brokenAt: null });
    });
  });

  describe('outbox', () => {
    test('events come in order, again until acknowledged, and then no more', async () => {
      const { ledger } = await open();
      for (const id of ['a', 'b', 'c']) await ledger.settle(success(await accepted(ledger, id)));
      const first = await ledger.takeOutbox(2);
      expect(first.map(({ body }) => body['callId'])).toEqual(['a-g1', 'b-g1']);
      expect(await ledger.takeOutbox(2)).toEqual(first);
      await ledger.ackOutbox(first.map(({ id }) => id));
      await ledger.ackOutbox(first.map(({ id }) => id));
      expect((await ledger.takeOutbox(2)).map(({ body }) => body['callId'])).toEqual(['c-g1']);
    });
  });

  describe('retention', () => {
    test('prune deletes what is over and keeps what is still needed', async () => {
      const { ledger, payloads, clock } = await open();
      const open1 = await accepted(ledger, 'open');
      const done = await admitted(ledger, 'done');
      await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(done))));
      await ledger.settle(success(done));
      const lost = await admitted(ledger, 'lost');
      await dispatched(ledger, openInput(lost));
      await ledger.settle(success(lost));
      clock.now += 2 * DAY_MS;
      const recent = await accepted(ledger, 'recent');
      await ledger.settle(success(recent));
      const pruned = await ledger.prune(clock.now, DAY_MS);
      expect(pruned).toEqual({ damaged: [], calls: 1, idempotency: 0, payloads: 3, windows: 0 });
      expect(await ledger.getCall(done)).toBeNull();
      expect(await ledger.getCall(lost)).not.toBeNull();
      expect(await ledger.getCall(recent)).not.toBeNull();
      const stillOpen = await ledger.getCall(open1);
      clock.now -= 2 * DAY_MS;
      expect(await payloads.get(stillOpen?.requestRef ?? '')).not.toBeNull();
    });
  });
}
