import { existsSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import {
  HOUR_MS,
  START,
  accepted,
  acceptInput,
  answerOf,
  budget,
  bytes,
  dispatched,
  openInput,
  plan,
} from '../contract/fixture.ts';
import { TEST_MASTER_KEY, temporaryLedger } from './temporary-ledger.ts';
import { openSqliteLedger } from './open-sqlite-ledger.ts';

const principal = { tenant: 'acme', key: null, models: null };
const ofAnn = { call: { kind: 'chat', model: 'smart', principal, tags: { user: 'ann~canary' } } } as const;
const subject = 'ann~canary';

function rows(path: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(path);
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

/** A piece of each blob that the statement gives: what is looked for in the files. */
function blobs(path: string, sql: string): Buffer[] {
  return rows(path, sql).map(({ blob }) => Buffer.from(blob as Uint8Array).subarray(16, 40));
}

/** How many of these stand somewhere in the file, its log or its index. */
function foundIn(path: string, needles: readonly Buffer[]): number {
  const files = ['', '-wal', '-shm'].map((suffix) => path + suffix).filter((file) => existsSync(file));
  return needles.filter((needle) => files.some((file) => readFileSync(file).includes(needle))).length;
}

async function callOfAnn(ledger: Parameters<typeof accepted>[0], id: string, idempotencyKey?: string): Promise<string> {
  const result = await ledger.accept(
    acceptInput(id, {
      ...ofAnn,
      requestBytes: Buffer.alloc(12_000, `question of ${id}`),
      idempotency: idempotencyKey ? { key: idempotencyKey, bodyHash: 'b0dy~hash~canary', ttlMs: HOUR_MS } : null,
    }),
  );
  if (result.status !== 'accepted') throw new Error(result.status);
  const { callId } = result.input;
  await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId))));
  return callId;
}

test('after an erasure neither the wrapped key nor a sealed byte of it is in the files of the ledger', async () => {
  const { ledger, path } = await temporaryLedger();
  await callOfAnn(ledger, 'one', 'key');
  await callOfAnn(ledger, 'two');
  const other = await accepted(ledger, 'of the tenant');
  const gone = [
    ...blobs(path, "select wrapped as blob from data_keys where subject <> ''"),
    ...blobs(
      path,
      "select sealed as blob from payloads where key_id in (select id from data_keys where subject <> '')",
    ),
    Buffer.from(subject),
    Buffer.from('b0dy~hash~canary'),
  ];
  const kept = blobs(path, "select wrapped as blob from data_keys where subject = ''");
  expect(gone).toHaveLength(7);
  expect(foundIn(path, gone)).toBe(gone.length);

  expect(await ledger.erase({ tenant: 'acme', subject, actor: 'x' })).toMatchObject({ oldBytes: 'overwritten' });

  expect(foundIn(path, gone)).toBe(0);
  expect(foundIn(path, kept)).toBe(kept.length);
  expect(rows(path, "select state, length(wrapped) as bytes, ended_by from data_keys where subject <> ''")).toEqual([
    { state: 'destroyed', bytes: 0, ended_by: 'x' },
  ]);
  expect(await ledger.getCall(other)).toMatchObject({ state: 'accepted' });
});

test('a key that another process destroyed opens and seals nothing more here, though it is still in memory', async () => {
  const { ledger, payloads, path } = await temporaryLedger();
  const other = openSqliteLedger({ path, masterKey: TEST_MASTER_KEY, clock: () => START });
  onTestFinished(() => other.ledger.close());
  const ref = (await ledger.getCall(await callOfAnn(ledger, 'one')))?.answerRef ?? '';
  expect(await payloads.get(ref)).not.toBeNull();
  await other.ledger.erase({ tenant: null, subject, actor: 'x' });
  expect(await payloads.get(ref)).toBeNull();
  const id = await callOfAnn(ledger, 'after');
  expect(await other.payloads.get((await ledger.getCall(id))?.requestRef ?? '')).not.toBeNull();
  expect(rows(path, "select state from data_keys where subject <> '' order by created_at, state")).toEqual([
    { state: 'active' },
    { state: 'destroyed' },
  ]);
});

test('an erasure that was cut short after its commit is finished by pruning', async () => {
  const { ledger, path, clock } = await temporaryLedger();
  const id = await callOfAnn(ledger, 'one');
  const kept = await accepted(ledger, 'of the tenant');
  const database = new DatabaseSync(path);
  database.exec("update data_keys set state = 'destroyed', wrapped = x'' where subject <> ''");
  database.exec(
    `insert into erasures select 'er_1', null, subject, 1, ${String(START)} from calls where subject is not null`,
  );
  database.close();
  expect(await ledger.prune(clock.now, 365 * 24 * HOUR_MS)).toMatchObject({ calls: 0, idempotency: 0, payloads: 2 });
  expect(await ledger.getCall(id)).toMatchObject({ requestRef: null, answerRef: null, tags: { user: '(erased)' } });
  expect((await ledger.getCall(kept))?.requestRef).not.toBeNull();
  expect(rows(path, 'select * from erasures')).toEqual([]);
});

test('pruning deletes the rows of destroyed keys that seal nothing any more, and no other', async () => {
  const { ledger, keys, path, clock } = await temporaryLedger();
  await callOfAnn(ledger, 'one');
  await accepted(ledger, 'of the tenant');
  await ledger.erase({ tenant: null, subject, actor: 'x' });
  const states = () => rows(path, 'select state from data_keys order by state').map(({ state }) => state);
  await keys.rotateDataKeys('x');
  expect(states()).toEqual(['active', 'active', 'destroyed', 'destroyed']);
  await accepted(ledger, 'sealed by a new key');
  await ledger.prune(clock.now, 365 * 24 * HOUR_MS);
  expect(states()).toEqual(['active', 'active']);
});

test("what stands of a user's id in decisions, holds, budgets and alerts goes with an erasure, and every sum stays", async () => {
  const { ledger, path, clock } = await temporaryLedger();
  const daily = { period: 'day', limitNanoUsd: 1_500n, alertAt: [0.1] } as const;
  const budgets = [budget(), budget({ scope: `user:acme/${subject}`, ...daily })];
  const start = async (id: string) => {
    const result = await ledger.accept(
      acceptInput(id, {
        ...ofAnn,
        admission: {
          admission: { allowed: true, plan: { ...plan, user: subject } },
          worstCaseNanoUsd: 1000n,
          budgets,
        },
      }),
    );
    if (result.status !== 'accepted') throw new Error(result.status);
    return result.input.callId;
  };
  const paid = await start('paid');
  await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(paid, { budgets }))));
  const unknown = await start('unknown');
  const lease = await dispatched(ledger, openInput(unknown, { budgets }));
  const taken = await ledger.fence(lease, 'lost');
  const denied = await start('denied');
  expect((await ledger.storedAdmission(denied))?.allowed).toBe(false);
  for (const callId of [unknown, denied]) {
    await ledger.settle({
      callId,
      outcome: 'failed',
      answerRef: null,
      error: { code: 'budget_exceeded', message: `of user:acme/${subject}`, source: 'gateway' },
    });
  }
  const everywhere = () =>
    rows(
      path,
      `select admission || coalesce(tags, '') || coalesce(error, '') as text from calls union all select scope as text from holds
       union all select scope from budget_windows union all select body from outbox`,
    ).filter(({ text }) => String(text).includes(subject)).length;
  expect(everywhere()).toBeGreaterThanOrEqual(7);
  const figures = () =>
    rows(path, 'select period, held_nano_usd, spent_nano_usd from budget_windows order by period, spent_nano_usd');
  const before = figures();

  await ledger.erase({ tenant: 'acme', subject, actor: 'x' });

  expect(everywhere()).toBe(0);
  expect(foundIn(path, [Buffer.from(subject)])).toBe(0);
  expect(figures()).toEqual(before);
  expectWindowsToBeSumsOfHolds(path);
  expect((await ledger.takeOutbox(100)).filter(({ type }) => type === 'budget-alert')).toHaveLength(1);
  // What the lost attempt really cost is charged where its hold is.
  if (taken === null) throw new Error('there was nothing to take');
  await ledger.recordAnswer(answerOf(taken));
  expectWindowsToBeSumsOfHolds(path);
  expect(rows(path, "select held_nano_usd as held from budget_windows where scope like 'user:%'")).toEqual([
    { held: 0 },
  ]);
  expect(clock.now).toBe(START);
});

test('the budget of a user whose calls are deleted is found by an erasure too, and one who came back keeps the new one', async () => {
  const { ledger, path, clock } = await temporaryLedger();
  const budgets = [budget({ scope: `user:acme/${subject}`, period: 'total' })];
  const paid = async (id: string) => {
    const result = await ledger.accept(acceptInput(id, ofAnn));
    if (result.status !== 'accepted') throw new Error(result.status);
    const lease = await dispatched(ledger, openInput(result.input.callId, { budgets }));
    await ledger.recordAnswer(answerOf(lease));
  };
  await paid('old');
  clock.now += 48 * HOUR_MS;
  await ledger.prune(clock.now, HOUR_MS);
  expect((await ledger.listCalls({ limit: 10 })).calls).toEqual([]);
  expect(foundIn(path, [Buffer.from(subject)])).toBe(1);
  await ledger.erase({ tenant: 'acme', subject, actor: 'x' });
  expect(foundIn(path, [Buffer.from(subject)])).toBe(0);
  await paid('new');
  expect(rows(path, 'select scope, spent_nano_usd as spent from budget_windows order by scope')).toEqual([
    { scope: expect.stringContaining('(erased)'), spent: 400 },
    { scope: `user:acme/${subject}`, spent: 400 },
  ]);
});

function expectWindowsToBeSumsOfHolds(path: string): void {
  const sums = (table: string) =>
    rows(
      path,
      `select scope, period, window_start, sum(held_nano_usd) as held, sum(spent_nano_usd) as spent from ${table}
       group by scope, period, window_start order by scope, period, window_start`,
    ).filter(({ held, spent }) => held !== 0 || spent !== 0);
  expect(sums('budget_windows')).toEqual(sums('holds'));
}

test('a subject stands in the keys only as a handle that nobody without the ledger can make', async () => {
  const { ledger, path } = await temporaryLedger();
  const { path: second } = await temporaryLedger();
  const other = openSqliteLedger({ path: second, masterKey: TEST_MASTER_KEY });
  onTestFinished(() => other.ledger.close());
  await callOfAnn(ledger, 'one');
  await callOfAnn(other.ledger, 'one');
  const handles = [path, second].map((file) => rows(file, "select subject from data_keys where subject <> ''"));
  expect(handles[0]).toHaveLength(1);
  // A handle is random text, which may well hold the letters of a name, but never a `~`.
  expect(JSON.stringify(handles)).not.toContain('ann~');
  expect(handles[0]).not.toEqual(handles[1]);
});

test('a wrapped key that was moved to the row of another opens nothing', async () => {
  const { ledger, payloads, path } = await temporaryLedger();
  const ref = await payloads.put('acme', bytes('hello'), START + HOUR_MS);
  await callOfAnn(ledger, 'one');
  const database = new DatabaseSync(path);
  database.exec(
    "update data_keys set wrapped = (select wrapped from data_keys where subject <> '') where tenant = 'acme'",
  );
  database.close();
  const fresh = openSqliteLedger({ path, masterKey: TEST_MASTER_KEY, clock: () => START });
  onTestFinished(() => fresh.ledger.close());
  await expect(fresh.payloads.get(ref)).rejects.toMatchObject({ code: 'engine_unavailable' });
});
