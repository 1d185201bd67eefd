import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import {
  acceptInput,
  accepted,
  admitted,
  answerOf,
  budget,
  bytes,
  dispatched,
  openInput,
  success,
  sums,
} from '../contract/fixture.ts';
import { migrations } from './migrations.ts';
import { openSqliteLedger } from './open-sqlite-ledger.ts';
import { TEST_MASTER_KEY, temporaryFolder, temporaryLedger } from './temporary-ledger.ts';

/** A connection of the test's own, to look at the file or to damage it. */
function rawDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  onTestFinished(() => database.close());
  return database;
}

test('the file is synchronous, in WAL mode, and for its owner only', async () => {
  const { path } = await temporaryLedger();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(rawDatabase(path).prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' });
});

test('a ledger that is opened again has what was written', async () => {
  const { ledger, path } = await temporaryLedger();
  const callId = await admitted(ledger, 'a');
  const again = openSqliteLedger({ path, masterKey: TEST_MASTER_KEY });
  onTestFinished(() => again.ledger.close());
  expect(await again.ledger.getCall(callId)).toEqual(await ledger.getCall(callId));
});

test('amounts beyond 2^53 are exact', async () => {
  const { ledger } = await temporaryLedger();
  const huge = 9_007_199_254_740_993n;
  const wide = budget({ limitNanoUsd: 2n * huge });
  const callId = await accepted(ledger, 'a');
  const lease = await dispatched(ledger, openInput(callId, { worstCaseNanoUsd: huge, budgets: [wide] }));
  expect(await sums(ledger, wide)).toEqual({ held: huge.toString(), spent: '0' });
  await ledger.recordAnswer(answerOf(lease, huge));
  expect(await ledger.settle(success(callId))).toMatchObject({ costNanoUsd: huge.toString() });
});

test('G5 neither request nor answer stands in the file in the open', async () => {
  const { ledger, path } = await temporaryLedger();
  const callId = await admitted(ledger, 'a');
  await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId))));
  await ledger.close();
  const raw = readFileSync(path).toString('latin1');
  expect(raw).toContain(callId);
  expect(raw).not.toContain('request of');
  expect(raw).not.toContain('answer of');
});

test('a payload that was changed or moved to another reference is refused', async () => {
  const { payloads, path, clock } = await temporaryLedger();
  const first = await payloads.put('acme', bytes('first'), clock.now + 1000);
  const second = await payloads.put('acme', bytes('second'), clock.now + 1000);
  const database = rawDatabase(path);
  database
    .prepare('update payloads set sealed = (select sealed from payloads where ref = ?) where ref = ?')
    .run(first, second);
  await expect(payloads.get(second)).rejects.toMatchObject({ code: 'engine_unavailable' });
  const sealed = Buffer.from(
    database.prepare('select sealed from payloads where ref = ?').get(first)?.['sealed'] as Uint8Array,
  );
  sealed[20] = (sealed[20] ?? 0) ^ 1;
  database.prepare('update payloads set sealed = ? where ref = ?').run(sealed, first);
  await expect(payloads.get(first)).rejects.toThrow(/does not decrypt/);
});

test('an audit entry that was changed or removed breaks the chain where it stood', async () => {
  const { ledger, path } = await temporaryLedger();
  for (const subject of ['a', 'b', 'c', 'd'])
    await ledger.appendAudit({ actor: 'cli', action: 'x', subject, details: {} });
  const database = rawDatabase(path);
  database.exec('update audit set details = \'{"by":"someone"}\' where seq = 3');
  expect(await ledger.verifyAudit()).toEqual({ entries: 2, brokenAt: 3 });
  database.exec('delete from audit where seq = 2');
  expect(await ledger.verifyAudit()).toEqual({ entries: 1, brokenAt: 3 });
});

test('a newer schema is refused with both versions and what to do', async () => {
  const { ledger, path } = await temporaryLedger();
  await ledger.close();
  rawDatabase(path).exec('insert into schema_version (version) values (99)');
  expect(() => openSqliteLedger({ path, masterKey: TEST_MASTER_KEY })).toThrow(
    expect.objectContaining({
      code: 'engine_unavailable',
      message: expect.stringMatching(
        new RegExp(`version 99.*up to ${String(migrations.length)}.*newer Holdfast.*backup`),
      ),
    }),
  );
});

test('another master key is refused, before anything is written with it', async () => {
  const { ledger, path } = await temporaryLedger();
  await ledger.close();
  expect(() => openSqliteLedger({ path, masterKey: new Uint8Array(32).fill(2) })).toThrow(/master key is not the one/);
});

test('a file that is no database is refused with what to do', () => {
  const path = join(temporaryFolder(), 'ledger.db');
  writeFileSync(path, 'this is not a database, but a text of some length');
  expect(() => openSqliteLedger({ path, masterKey: TEST_MASTER_KEY })).toThrow(
    expect.objectContaining({ code: 'engine_unavailable', message: expect.stringContaining('not a SQLite database') }),
  );
});

test('a path that cannot be a file is refused with what to do', () => {
  expect(() => openSqliteLedger({ path: temporaryFolder(), masterKey: TEST_MASTER_KEY })).toThrow(/cannot be opened/);
});

test('a backup of a ledger in use is whole and can be opened in its place', async () => {
  const { ledger, path } = await temporaryLedger();
  const ids = await Promise.all(
    Array.from({ length: 20 }, (_, index) => admitted(ledger, `call-${String(index)}`, [])),
  );
  const target = `${path}.backup`;
  const [, late] = await Promise.all([ledger.backup(target), accepted(ledger, 'during')]);
  expect(late).toBe('during-g1');
  expect(statSync(target).mode & 0o777).toBe(0o600);
  const restored = openSqliteLedger({ path: target, masterKey: TEST_MASTER_KEY });
  onTestFinished(() => restored.ledger.close());
  for (const id of ids) expect(await restored.ledger.getCall(id)).toEqual(await ledger.getCall(id));
});

test('a backup that cannot be written says so and leaves nothing', async () => {
  const { ledger, path } = await temporaryLedger();
  await expect(ledger.backup(join(path, 'no', 'such', 'folder'))).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('ENOTDIR'),
  });
});

test('a backup leaves a file that is there alone unless it is to replace it, and leaves nothing beside it', async () => {
  const { ledger } = await temporaryLedger();
  const folder = temporaryFolder();
  const target = join(folder, 'copy.db');
  writeFileSync(target, 'precious');
  await expect(ledger.backup(target)).rejects.toMatchObject({ code: 'invalid_request' });
  expect(readFileSync(target, 'utf8')).toBe('precious');
  await ledger.backup(target, true);
  expect(readFileSync(target, 'latin1')).toMatch(/^SQLite format 3/);
  expect(readdirSync(folder)).toEqual(['copy.db']);
});

test('a full disk gives engine_unavailable and leaves nothing half-written', async () => {
  const { ledger, path, clock } = await temporaryLedger();
  const before = await admitted(ledger, 'before');
  await ledger.close();
  const small = openSqliteLedger({
    path,
    masterKey: TEST_MASTER_KEY,
    clock: () => clock.now,
    maxPages: pageCount(path) + 2,
  });
  onTestFinished(() => small.ledger.close());
  const big = acceptInput('big', {
    requestBytes: randomBytes(200_000),
    idempotency: { key: 'k', bodyHash: 'h', ttlMs: 1000 },
  });
  const refused = { code: 'engine_unavailable', message: expect.stringContaining('disk is full') };
  await expect(small.ledger.accept(big)).rejects.toMatchObject(refused);
  const lease = await dispatched(small.ledger, openInput(before));
  const answer = { ...answerOf(lease), answerBytes: randomBytes(200_000) };
  await expect(small.ledger.recordAnswer(answer)).rejects.toMatchObject(refused);
  expect(await small.ledger.getCall('big-g1')).toBeNull();
  expect(await small.ledger.getCall(before)).toMatchObject({ attempts: [{ state: 'dispatched', usage: null }] });
  // The claim of the refused call is not left behind either: the key is free.
  const retry = await small.ledger.accept({ ...big, requestBytes: bytes('small') });
  expect(retry).toMatchObject({ status: 'accepted', input: { callId: 'big-g1' } });
});

test('a ledger locked by another process for too long is engine_unavailable, and works again afterwards', async () => {
  const { ledger, path } = await temporaryLedger();
  const impatient = openSqliteLedger({ path, masterKey: TEST_MASTER_KEY, busyTimeoutMs: 20 });
  onTestFinished(() => impatient.ledger.close());
  const blocker = rawDatabase(path);
  blocker.exec('begin immediate');
  await expect(accepted(impatient.ledger, 'a')).rejects.toMatchObject({
    code: 'engine_unavailable',
    retryAfterMs: 1000,
    message: expect.stringContaining('write lock'),
  });
  blocker.exec('rollback');
  expect(await accepted(impatient.ledger, 'a')).toBe('a-g1');
  expect(await ledger.getCall('a-g1')).not.toBeNull();
});

function pageCount(path: string): number {
  return Number(rawDatabase(path).prepare('pragma page_count').get()?.['page_count']);
}
