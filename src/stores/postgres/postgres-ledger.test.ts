/** What only the ledger on PostgreSQL has to prove. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { postgresUnavailableReason } from '../../../test/support/postgres/binaries.ts';
import {
  TEST_MASTER_KEY,
  isAnyoneWaiting,
  ledgerAt,
  newLedger,
  rawClient,
  useCluster,
} from '../../../test/support/postgres/ledgers.ts';
import { until } from '../../../test/support/test-node.ts';
import { freePorts } from '../../temporal/server/free-ports.ts';
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
import { openPostgresLedger } from './open-postgres-ledger.ts';
import { DEFAULT_WAITS, createPostgresPool } from './postgres-pool.ts';

describe.skipIf(postgresUnavailableReason())('the ledger on PostgreSQL', () => {
  const cluster = useCluster();

  test('amounts beyond 2^53 are exact', async () => {
    const { ledger } = await newLedger(cluster());
    const huge = 9_007_199_254_740_993n;
    const wide = budget({ limitNanoUsd: 2n * huge });
    const callId = await accepted(ledger, 'a');
    const lease = await dispatched(ledger, openInput(callId, { worstCaseNanoUsd: huge, budgets: [wide] }));
    expect(await sums(ledger, wide)).toEqual({ held: huge.toString(), spent: '0' });
    const recorded = await ledger.recordAnswer(answerOf(lease, huge));
    expect(recorded).toMatchObject({ written: true, call: { costNanoUsd: huge.toString() } });
  });

  test('G5 neither request nor answer stands in a table in the open', async () => {
    const { ledger, url } = await newLedger(cluster());
    const callId = await admitted(ledger, 'a');
    await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId))));
    const tables = ['calls', 'attempts', 'payloads', 'outbox', 'idempotency', 'audit'];
    const rows = await Promise.all(
      tables.map((table) => cluster().query(url, `select t::text as row from ${table} t`)),
    );
    const text = rows.flat().map(({ row }) => String(row));
    const readable = [
      ...text,
      ...text.map((row) => Buffer.from(/\\x([0-9a-f]+)/.exec(row)?.[1] ?? '', 'hex').toString()),
    ];
    expect(readable.join('\n')).toContain(callId);
    expect(readable.join('\n')).not.toContain('request of');
    expect(readable.join('\n')).not.toContain('answer of');
  });

  test('a payload that was changed is refused', async () => {
    const { payloads, url, clock } = await newLedger(cluster());
    const ref = await payloads.put('acme', bytes('first'), clock.now + 1000);
    await cluster().query(url, 'update payloads set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)');
    await expect(payloads.get(ref)).rejects.toMatchObject({ code: 'engine_unavailable' });
  });

  test('an answer with a NUL character in what the provider calls itself is not lost', async () => {
    const { ledger } = await newLedger(cluster());
    const lease = await dispatched(ledger, openInput(await admitted(ledger, 'a')));
    const answer = { ...answerOf(lease), responseId: 'r\0', answeredModel: 'm\0' };
    expect(await ledger.recordAnswer(answer)).toMatchObject({ written: true });
  });

  test('a newer schema is refused with both versions and what to do, and nothing is written', async () => {
    const { url } = await newLedger(cluster());
    await cluster().query(url, 'insert into schema_version (version) values (99)');
    await expect(openPostgresLedger({ url, masterKey: TEST_MASTER_KEY })).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringMatching(
        new RegExp(`version 99.*up to ${String(migrations.length)}.*newer Holdfast.*backup`),
      ) as string,
    });
  });

  test('a node that starts waits for the one that upgrades, for longer than for any other lock', async () => {
    const url = await cluster().newSchema();
    const blocker = await rawClient(url);
    await blocker.query('begin');
    await blocker.query("select pg_advisory_xact_lock(hashtextextended('holdfast schema', 0))");
    const opening = ledgerAt(url, { waits: { lockMs: 50, statementMs: 100 } });
    await until('it waits', () => isAnyoneWaiting(cluster(), url));
    const stillWaits = Symbol();
    expect(await Promise.race([opening, delay(1_000, stillWaits)])).toBe(stillWaits);
    await blocker.query('rollback');
    const { ledger } = await opening;
    expect(await ledger.verifyAudit()).toEqual({ entries: 0, brokenAt: null });
  });

  test('a step of an upgrade may take longer than any other statement', async () => {
    const url = await cluster().newSchema();
    await cluster().query(url, 'create sequence tables_made');
    await cluster().query(
      url,
      `create function slowly() returns event_trigger language plpgsql as $$ begin
        if nextval('tables_made') = 3 then perform pg_sleep(1); end if; end $$`,
    );
    await cluster().query(
      url,
      "create event trigger slow_upgrade on ddl_command_start when tag in ('CREATE TABLE') execute function slowly()",
    );
    onTestFinished(async () => {
      await cluster().query(url, 'drop event trigger slow_upgrade');
    });
    const openedAt = performance.now();
    await ledgerAt(url, { waits: { statementMs: 500 } });
    expect(performance.now() - openedAt).toBeGreaterThan(1_000);
  });

  test('a node starts while another one writes, and is refused by its key alone', async () => {
    const { url } = await newLedger(cluster());
    const writer = await rawClient(url);
    await writer.query('begin');
    // As each transaction that stores a payload does.
    await writer.query('select fingerprint from master_key for share');
    const { ledger } = await ledgerAt(url, { waits: { lockMs: 50 } });
    expect(await ledger.verifyAudit()).toEqual({ entries: 0, brokenAt: null });
    await writer.query('rollback');
  });

  test('a node with another master key is refused', async () => {
    const { url } = await newLedger(cluster());
    await expect(openPostgresLedger({ url, masterKey: new Uint8Array(32).fill(2) })).rejects.toThrow(
      /master key is not the one.*every node/,
    );
  });

  test('a schema that another node changes meanwhile does not disturb connections that know the old one', async () => {
    const { ledger, url } = await newLedger(cluster());
    const callId = await accepted(ledger, 'a');
    await Promise.all(Array.from({ length: 12 }, () => ledger.getCall(callId)));
    await cluster().query(url, 'alter table calls add column later text');
    const views = await Promise.all(Array.from({ length: 12 }, () => ledger.getCall(callId)));
    expect(views.every((view) => view?.id === callId)).toBe(true);
    expect(await ledger.settle(success(callId))).toMatchObject({ state: 'ended' });
  });

  test('commits are durable even where the database does not ask for it', async () => {
    const lax = `${await cluster().newSchema()}%20-c%20synchronous_commit%3Doff`;
    const settingOf = async (url: string) => {
      const pool = createPostgresPool(url, 1, DEFAULT_WAITS);
      onTestFinished(() => pool.end());
      return (await pool.query<{ synchronous_commit: string }>('show synchronous_commit')).rows[0]?.synchronous_commit;
    };
    expect(await settingOf(lax)).toBe('on');
    expect(await settingOf(lax.replace('%3Doff', '%3Dremote_write'))).toBe('remote_write');
  });

  test('a lock that is kept for too long is engine_unavailable, and the ledger works again afterwards', async () => {
    const { ledger: patient, url } = await newLedger(cluster());
    const callId = await accepted(patient, 'a');
    const { ledger } = await ledgerAt(url, { waits: { lockMs: 50 } });
    const blocker = await rawClient(url);
    await blocker.query('begin');
    await blocker.query('select * from calls for update');
    await expect(ledger.settle(success(callId))).rejects.toMatchObject({
      code: 'engine_unavailable',
      retryAfterMs: 1000,
      message: expect.stringMatching(/55P03.*lock for too long/) as string,
    });
    await blocker.query('rollback');
    expect(await ledger.settle(success(callId))).toMatchObject({ state: 'ended' });
  });

  test('a transaction that the server undoes to end a deadlock is run again', async () => {
    const { ledger, url } = await newLedger(cluster());
    const callId = await admitted(ledger, 'a');
    const lease = await dispatched(ledger, openInput(callId));
    const other = await rawClient(url);
    // Only the ledger's own session looks for deadlocks, so it is the one that is undone.
    await other.query("set deadlock_timeout = '1h'");
    await other.query('begin');
    await other.query('select * from budget_windows for update');
    const recorded = ledger.recordAnswer(answerOf(lease));
    while (!(await isAnyoneWaiting(cluster(), url)));
    await other.query('select * from calls for update');
    await other.query('commit');
    expect(await recorded).toMatchObject({ written: true });
    expect(await sums(ledger)).toEqual({ held: '0', spent: '400' });
    expect(readFileSync(join(cluster().folder, 'server.log'), 'utf8')).toContain('deadlock detected');
  });

  test('when every connection is taken, waiting ends with engine_unavailable', async () => {
    const { ledger: patient, url } = await newLedger(cluster());
    const callId = await accepted(patient, 'a');
    const { ledger } = await ledgerAt(url, { poolSize: 1, waits: { connectMs: 1_000 } });
    const blocker = await rawClient(url);
    await blocker.query('begin');
    await blocker.query('select * from calls for update');
    const held = ledger.settle(success(callId));
    await expect(ledger.getCall(callId)).rejects.toMatchObject({ code: 'engine_unavailable' });
    await blocker.query('rollback');
    expect(await held).toMatchObject({ state: 'ended' });
  });

  test('a backup names the tools of the server', async () => {
    const { ledger } = await newLedger(cluster());
    await expect(ledger.backup('anywhere')).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('pg_dump') as string,
    });
  });

  test('a big request comes back as it was', async () => {
    const { ledger, payloads } = await newLedger(cluster());
    const requestBytes = new Uint8Array(5_000_000).map((_, index) => index % 251);
    const result = await ledger.accept(acceptInput('big', { requestBytes }));
    if (result.status !== 'accepted') throw new Error(result.status);
    expect(Buffer.compare((await payloads.get(result.input.requestRef ?? '')) ?? bytes(''), requestBytes)).toBe(0);
  });
});

test('a server that is not there is engine_unavailable, and the password shows nowhere', async () => {
  const [port = 0] = await freePorts(1);
  const url = `postgres://user:hunter2@127.0.0.1:${String(port)}/db`;
  const error: unknown = await openPostgresLedger({ url, masterKey: TEST_MASTER_KEY }).catch(
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({
    code: 'engine_unavailable',
    message: expect.stringContaining('ECONNREFUSED') as string,
  });
  expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
});

test.each([
  '',
  'not a url hunter2',
  'mysql://u:hunter2@h/db',
  'postgres://u:hunter2@h',
  'postgres://u:hunt/er2@h:x/db',
])('%j is refused as a URL, and does not show', async (url) => {
  const error: unknown = await openPostgresLedger({ url, masterKey: TEST_MASTER_KEY }).catch(
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({ code: 'invalid_request', param: 'stores.postgresUrl' });
  expect(inspect(error, { depth: 9 })).not.toMatch(/hunter2|hunt/);
});
