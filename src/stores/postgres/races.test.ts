/** Two nodes at one call: whoever comes second finds what the first has done. Each race is run many times. */
import { describe, expect, test } from 'vitest';
import { postgresUnavailableReason } from '../../../test/support/postgres/binaries.ts';
import { expectConsistentSums } from '../../../test/support/postgres/consistent-sums.ts';
import {
  countWaiting,
  isAnyoneWaiting,
  ledgerAt,
  newLedger,
  rawClient,
  useCluster,
} from '../../../test/support/postgres/ledgers.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import {
  HOUR_MS,
  START,
  acceptInput,
  accepted,
  admitted,
  allowed,
  answerOf,
  budget,
  bytes,
  dispatched,
  failure,
  failureOf,
  inlineRequest,
  openInput,
  success,
  sums,
} from '../contract/fixture.ts';

const ROUNDS = 40;
const wide = budget({ limitNanoUsd: 10n ** 12n });

describe.skipIf(postgresUnavailableReason())('races of two nodes', () => {
  const cluster = useCluster();
  const callOf = async (ledger: Ledger, id: string, user: string) => {
    const principal = { tenant: 'acme', key: null, models: null };
    const result = await ledger.accept(
      acceptInput(id, { call: { kind: 'chat', model: 'smart', principal, tags: { user } } }),
    );
    if (result.status !== 'accepted') throw new Error(result.status);
    return result.input;
  };

  const twoNodes = async () => {
    const one = await newLedger(cluster());
    const { ledger: two } = await ledgerAt(one.url);
    return { one: one.ledger, two, url: one.url };
  };
  /** Runs the race with `ROUNDS` calls, several at a time. */
  const rounds = async <T>(race: (name: string) => Promise<T>): Promise<T[]> => {
    const results: T[] = [];
    for (let first = 0; first < ROUNDS; first += 4) {
      results.push(...(await Promise.all([0, 1, 2, 3].map((offset) => race(`call-${String(first + offset)}`)))));
    }
    return results;
  };

  test('an erasure and a call that comes: whatever is accepted can be read, and what is erased is gone', async () => {
    const { one, two, url } = await twoNodes();
    const { payloads } = await ledgerAt(url);
    const round = async (name: string, order: 'race' | 'call first' | 'erasure first') => {
      const old = await callOf(two, `${name}-old`, name);
      await two.settle({ callId: old.callId, outcome: 'cancelled', answerRef: null, error: null });
      const call = () => callOf(two, `${name}-new`, name);
      const erasure = () =>
        one.erase({ tenant: 'acme', subject: name, actor: 'x' }).then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'invalid_request', details: { open: 1 } });
            return false;
          },
        );
      const before = order === 'erasure first' ? await erasure() : null;
      const calling = call();
      if (order === 'call first') await calling;
      const [made, erased] = await Promise.all([calling, before ?? erasure()]);
      expect(await payloads.get(made.requestRef ?? '')).toEqual(bytes(`request of ${name}-new`));
      expect((await payloads.get(old.requestRef ?? '')) === null).toBe(erased);
      return erased;
    };
    await rounds((name) => round(name, 'race'));
    expect(await round('last-but-one', 'call first')).toBe(false);
    expect(await round('last', 'erasure first')).toBe(true);
  });

  test('an erasure and the late charge of a lost attempt: each window is the sum of its holds, whoever is first', async () => {
    const { one, two, url } = await twoNodes();
    await rounds(async (name) => {
      const budgets = [wide, { ...wide, scope: `user:acme/${name}` }];
      const { callId } = await callOf(two, name, name);
      const lease = await dispatched(two, openInput(callId, { budgets }));
      const taken = await two.fence(lease, 'lost');
      if (!taken) throw new Error('there was nothing to take');
      await two.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      const erase = () => one.erase({ tenant: 'acme', subject: name, actor: 'x' });
      const [erased] = await Promise.all([erase(), two.recordAnswer(answerOf(taken))]);
      expect(erased.keys).toBe(1);
      // Where the charge had the row in hand for too long.
      if (!erased.isDone) await erase();
    });
    await expectConsistentSums(cluster(), url);
    const scopes = await cluster().query(url, "select scope from budget_windows where scope like 'user:%'");
    expect(scopes).toHaveLength(ROUNDS);
    for (const { scope } of scopes) expect(scope).toMatch(/^user:acme\/\(erased\)/);
    expect(await one.budgetStatus([wide])).toMatchObject([{ heldNanoUsd: '0', spentNanoUsd: String(400 * ROUNDS) }]);
  });

  test('an erasure waits for a row that another has in hand; where that takes too long it says so, and pruning clears it', async () => {
    const { one, url } = await twoNodes();
    const other = await rawClient(url);
    const cleared = async (user: string, whileErasing: (erasing: Promise<unknown>) => Promise<unknown>) => {
      const { callId } = await callOf(one, `call of ${user}`, user);
      await one.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
      await other.query('begin');
      await other.query('select 1 from calls where id = $1 for update', [callId]);
      const erasing = one.erase({ tenant: 'acme', subject: user, actor: 'x' });
      await whileErasing(erasing);
      await other.query('commit');
      return { callId, erasure: await erasing };
    };
    const waited = await cleared('ann', async () => {
      while ((await one.listAudit(0, 10)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    });
    expect(waited.erasure).toMatchObject({ keys: 1, calls: 1, isDone: true });
    expect((await one.getCall(waited.callId))?.requestRef).toBeNull();

    const left = await cleared('bob', (erasing) => erasing);
    expect(left.erasure).toMatchObject({ keys: 1, calls: 0, isDone: false });
    expect((await one.getCall(left.callId))?.tags).toEqual({ user: 'bob' });
    await one.prune(START, HOUR_MS);
    expect((await one.getCall(left.callId))?.tags).toEqual({ user: '(erased)' });
  });

  test('G2 two that open the same order: one may dispatch, the other is told that it was interrupted', async () => {
    const { one, two, url } = await twoNodes();
    await rounds(async (name) => {
      const isReserved = name.endsWith('1');
      const callId = isReserved ? await admitted(one, name, [wide]) : await accepted(one, name);
      const opened = await Promise.all(
        [one, two].map((ledger, node) =>
          ledger.openAttempt(openInput(callId, { budgets: [wide], owner: `node ${String(node)}` })),
        ),
      );
      expect(opened.map(({ status }) => status).sort()).toEqual(['dispatched', 'interrupted']);
      expect((await one.getCall(callId))?.attempts).toHaveLength(1);
    });
    expect(await sums(one, wide)).toEqual({ held: String(ROUNDS * 1000), spent: '0' });
    await expectConsistentSums(cluster(), url);
  });

  test('two admissions of one call make one reservation and give one decision', async () => {
    const { one, two } = await twoNodes();
    await rounds(async (name) => {
      const callId = await accepted(one, name);
      const input = { callId, worstCaseNanoUsd: 1000n, budgets: [wide] };
      const error = { code: 'permission_denied', message: 'no', source: 'gateway' } as const;
      const [a, b] = await Promise.all([
        one.admit({ ...input, admission: allowed }),
        two.admit({ ...input, admission: { allowed: false, decisionId: 'd', error } }),
      ]);
      expect(a).toEqual(b);
    });
    const { calls } = await one.listCalls({ limit: 1000 });
    const reserved = calls.filter(({ attempts }) => attempts.length === 1).length;
    expect(await sums(one, wide)).toEqual({ held: String(reserved * 1000), spent: '0' });
  });

  test('either the answer is recorded or the attempt is fenced, never both', async () => {
    const { one, two, url } = await twoNodes();
    const outcomes = await rounds(async (name) => {
      const callId = await admitted(one, name, [wide]);
      const lease = await dispatched(one, openInput(callId, { budgets: [wide] }));
      const [written, taken] = await Promise.all([one.recordAnswer(answerOf(lease)), two.fence(lease, 'lost')]);
      expect(written.written).toBe(taken === null);
      expect((await one.getCall(callId))?.attempts).toMatchObject([{ state: taken ? 'unknown' : 'settled' }]);
      return written.written;
    });
    const answered = outcomes.filter(Boolean).length;
    expect(await sums(one, wide)).toEqual({ held: String((ROUNDS - answered) * 1000), spent: String(answered * 400) });
    await expectConsistentSums(cluster(), url);
  });

  test('G4 an answer and a settlement from elsewhere meet: the money is right whichever was first', async () => {
    const { one, two, url } = await twoNodes();
    await rounds(async (name) => {
      const callId = await admitted(one, name, [wide]);
      const lease = await dispatched(one, openInput(callId, { budgets: [wide] }));
      const cancelled = { callId, outcome: 'cancelled', answerRef: null, error: null } as const;
      const [written, view] = await Promise.all([one.recordAnswer(answerOf(lease)), two.settle(cancelled)]);
      expect(view.outcome).toBe(written.written ? 'succeeded' : 'cancelled');
      expect(await one.getCall(callId)).toMatchObject({ state: 'ended', costNanoUsd: '400', pricing: 'priced' });
    });
    expect(await sums(one, wide)).toEqual({ held: '0', spent: String(ROUNDS * 400) });
    expect((await one.takeOutbox(1000)).filter(({ type }) => type === 'call-end')).toHaveLength(ROUNDS);
    await expectConsistentSums(cluster(), url);
  });

  test('nothing leaves for a call whose end was first, and what left before it keeps its hold', async () => {
    const { one, two, url } = await twoNodes();
    const opened = await rounds(async (name) => {
      const callId = await admitted(one, name, [wide]);
      const [{ status }] = await Promise.all([
        one.openAttempt(openInput(callId, { budgets: [wide] })),
        two.settle(failure(callId, 'cancelled')),
      ]);
      const states = (await one.getCall(callId))?.attempts.map(({ state }) => state);
      expect([status, states]).toEqual(status === 'dispatched' ? ['dispatched', ['unknown']] : ['ended', []]);
      return status;
    });
    const left = opened.filter((status) => status === 'dispatched').length;
    expect(await sums(one, wide)).toEqual({ held: String(left * 1000), spent: '0' });
    await expectConsistentSums(cluster(), url);
  });

  test('two settlements of one call give one end and one event, and denials keep the audit chain whole', async () => {
    const { one, two } = await twoNodes();
    await rounds(async (name) => {
      const callId = await accepted(one, name);
      const error = { code: 'permission_denied', message: 'no', source: 'gateway' } as const;
      const [a, b] = await Promise.all([
        one.settle({ callId, outcome: 'denied', answerRef: null, error }),
        two.settle({ callId, outcome: 'denied', answerRef: null, error }),
      ]);
      expect(a).toEqual(b);
    });
    expect((await one.takeOutbox(1000)).filter(({ type }) => type === 'call-end')).toHaveLength(ROUNDS);
    expect(await one.verifyAudit()).toEqual({ entries: ROUNDS, brokenAt: null });
  });

  test('the truth of an unknown attempt wins over its abandonment, whichever is first', async () => {
    const { one, two, url } = await twoNodes();
    await rounds(async (name) => {
      const callId = await admitted(one, name, [wide]);
      const lease = await dispatched(one, openInput(callId, { budgets: [wide] }));
      await one.settle(failure(callId, 'cancelled'));
      await Promise.all([
        two.abandonUnknown(START + HOUR_MS),
        one.recordFailure({ ...failureOf(lease), charge: answerOf(lease, 7n).charge }),
      ]);
      expect(await one.getCall(callId)).toMatchObject({ costNanoUsd: '7', attempts: [{ state: 'reconciled' }] });
    });
    expect(await sums(one, wide)).toEqual({ held: '0', spent: String(ROUNDS * 7) });
    await expectConsistentSums(cluster(), url);
  });

  test('G3 the same key with two bodies at once: one is accepted, the other is a conflict', async () => {
    const { one, two } = await twoNodes();
    const claim = (ledger: Ledger, key: string, bodyHash: string) =>
      ledger.accept(acceptInput(key, { idempotency: { key, bodyHash, ttlMs: HOUR_MS } }));
    await rounds(async (name) => {
      const results = await Promise.all([claim(one, name, 'hash-1'), claim(two, name, 'hash-2')]);
      expect(results.map(({ status }) => status).sort()).toEqual(['accepted', 'conflict']);
    });
  });

  test.each([
    ['idempotency', 'G3 a key that is claimed again'],
    ['payloads', 'a payload that is stored again'],
  ])('%s: %s at the moment it is pruned stays', async (table) => {
    const { ledger, url, clock } = await newLedger(cluster());
    await ledger.accept(acceptInput('a', { idempotency: { key: 'a', bodyHash: 'h', ttlMs: HOUR_MS } }));
    await ledger.settle(success('a-g1'));
    const later = clock.now + 100 * HOUR_MS;
    const other = await rawClient(url);
    await other.query('begin');
    await other.query(`update ${table} set expires_at = ${String(later + HOUR_MS)}`);
    const progress = { hasEnded: false };
    const pruning = ledger.prune(later, HOUR_MS).finally(() => (progress.hasEnded = true));
    while (!progress.hasEnded && !(await isAnyoneWaiting(cluster(), url)));
    await other.query('commit');
    expect(await pruning).toMatchObject({ calls: 1, [table]: 0 });
    expect(await cluster().query(url, `select count(*)::int as n from ${table}`)).toEqual([{ n: 1 }]);
  });

  test('G5 what is erased while the keys are rotated is gone', async () => {
    const { ledger, keys, payloads, url } = await newLedger(cluster());
    const { ledger: other } = await ledgerAt(url);
    const { callId, requestRef } = await callOf(ledger, 'a', 'ann');
    await ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
    // The rotation waits where it makes a key, the erasure where it clears the call: so far apart that neither misses the other.
    const [keyMaking, clearing] = [await rawClient(url), await rawClient(url)];
    await keyMaking.query('begin');
    await keyMaking.query('select * from master_key for update');
    await clearing.query('begin');
    await clearing.query('select * from calls for update');
    const rotating = keys.rotateDataKeys('op');
    while ((await countWaiting(cluster(), url)) < 1);
    const erasing = other.erase({ tenant: 'acme', subject: 'ann', actor: 'dpo' });
    const isErased = async () => (await other.listAudit(0, 10)).some(({ action }) => action === 'content.erase');
    while ((await countWaiting(cluster(), url)) < 2 && !(await isErased()));
    await keyMaking.query('commit');
    await rotating;
    await clearing.query('commit');
    expect(await erasing).toMatchObject({ calls: 1, payloads: 1 });
    expect(await payloads.get(requestRef ?? '')).toBeNull();
    expect(await other.getCall(callId)).toMatchObject({
      tags: { user: '(erased)' },
      erasedAt: expect.any(String) as string,
    });
  });

  test('a data key that another node has pruned is used no more by one that knows it', async () => {
    const { ledger: one, payloads, url, clock } = await newLedger(cluster());
    const { ledger: two } = await ledgerAt(url);
    const { callId } = await callOf(one, 'a', 'ann');
    await one.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
    clock.now += 100 * HOUR_MS;
    expect(await two.prune(clock.now, 1_000 * HOUR_MS)).toMatchObject({ payloads: 1 });
    const { requestRef } = await callOf(one, 'b', 'ann');
    expect(await payloads.get(requestRef ?? '')).not.toBeNull();
  });

  test('two nodes that prune at once delete each row once', async () => {
    const { ledger: one, url, clock } = await newLedger(cluster());
    const { ledger: two } = await ledgerAt(url);
    for (let index = 0; index < ROUNDS; index += 1) {
      await one.settle(success(await accepted(one, `call-${String(index)}`)));
    }
    const later = clock.now + 100 * HOUR_MS;
    const pruned = await Promise.all([one, two].map((ledger) => ledger.prune(later, HOUR_MS)));
    expect(pruned.reduce((sum, { calls }) => sum + calls, 0)).toBe(ROUNDS);
    expect(pruned.reduce((sum, { payloads }) => sum + payloads, 0)).toBe(ROUNDS);
  });

  test('a name of a key is given once, also when two ask at once', async () => {
    const { one, two } = await twoNodes();
    const key = { tenant: 'acme', team: null, models: null, roles: ['caller'], expiresAt: null };
    await rounds(async (name) => {
      const made = await Promise.allSettled([
        one.createKey({ ...key, name, hash: `hk1:${name}-1` }, 'cli'),
        two.createKey({ ...key, name, hash: `hk1:${name}-2` }, 'cli'),
      ]);
      expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const refused = made.find(({ status }) => status === 'rejected');
      expect(refused).toMatchObject({ reason: { code: 'invalid_request', param: 'name' } });
    });
  });

  test('a call that two trusted clients bring at once has one row, and both get the input that stands in it', async () => {
    const { one, two } = await twoNodes();
    await rounds(async (name) => {
      const principal = { tenant: 'acme', key: null, models: null };
      const input = { callId: name, kind: 'chat', model: 'smart', principal, requestRef: null } as const;
      const [a, b] = await Promise.all([
        one.ensureCall(input, inlineRequest('one body')),
        two.ensureCall(input, inlineRequest('another')),
      ]);
      expect(a).toEqual(b);
    });
  });
});
