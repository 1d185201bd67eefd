/** What an operator does to the stores of a fleet: upgrade, retention, backup and restore, the Temporal schema. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkEngine, checkRetention } from '../../src/gateway/check-engine.ts';
import { migrations } from '../../src/stores/postgres/migrations.ts';
import { connectNative } from '../../src/temporal/connection.ts';
import { findPostgresBinaries, postgresUnavailableReason, postgresUser } from '../support/postgres/binaries.ts';
import { ledgerAt, useCluster } from '../support/postgres/ledgers.ts';
import { setUpTemporalSchema } from '../support/fleet/temporal-cluster.ts';
import { runCliHere } from '../support/run-cli-here.ts';
import { startTestServer } from '../support/temporal/dev-server.ts';
import {
  BUILD_LIMIT_MS,
  productionServer,
  productionServerUnavailableReason,
} from '../support/temporal/production-server.ts';

describe.skipIf(postgresUnavailableReason())('the ledger of a fleet', () => {
  const cluster = useCluster();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-operator-'));
  let env: Record<string, string>;
  let url: string;
  beforeAll(async () => {
    url = await cluster().newSchema();
    const config = join(folder, 'holdfast.yaml');
    writeFileSync(
      config,
      'stores: { ledger: postgres, postgresUrl: env:DATABASE_URL }\nproviders: { sim: { kind: simulated } }',
    );
    env = {
      HOLDFAST_HOME: join(folder, 'home'),
      HOLDFAST_CONFIG: config,
      HOLDFAST_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
      DATABASE_URL: url,
    };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const holdfast = (...args: string[]) => runCliHere(args, { env });
  const versionsIn = async (target: string) =>
    (await cluster().query(target, 'select version from schema_version order by 1')).map((row) => row['version']);
  const latest = migrations.length;

  it('a command that looks makes no ledger, and names the one that does', async () => {
    const looked = await holdfast('calls', 'list');
    expect(looked).toMatchObject({ code: 1, err: expect.stringContaining('holdfast ledger upgrade') });
    const tables = 'select count(*)::int as n from pg_tables where schemaname = current_schema()';
    expect(await cluster().query(url, tables)).toEqual([{ n: 0 }]);
    expect(JSON.parse((await holdfast('ledger', 'upgrade', '--json')).out)).toEqual({ from: 0, to: latest });
    expect(await holdfast('calls', 'list')).toMatchObject({ code: 0, err: '' });
  });

  it('an older ledger is left alone by what looks or makes keys, and upgraded by the command', async () => {
    const older = await cluster().newSchema();
    await cluster().query(older, 'create table schema_version (version integer not null)');
    await cluster().query(older, `${migrations[0] ?? ''}; insert into schema_version values (1)`);
    const at = (...args: string[]) => runCliHere(args, { env: { ...env, DATABASE_URL: older } });
    for (const args of [
      ['calls', 'list'],
      ['keys', 'create', '--name', 'k'],
      ['audit', 'verify'],
    ]) {
      expect(await at(...args)).toMatchObject({ code: 1, err: expect.stringContaining('schema version 1') });
    }
    expect(await versionsIn(older)).toEqual([1]);
    expect((await at('ledger', 'upgrade')).out).toContain(`from schema version 1 to ${String(latest)}`);
    expect((await at('ledger', 'upgrade')).out).toContain('nothing to do');
    expect(await at('keys', 'create', '--name', 'k')).toMatchObject({ code: 0 });
  });

  it('a copy by pg_dump is restored into an empty database, opens there, and its audit log is whole', async () => {
    expect(await holdfast('keys', 'create', '--name', 'copied')).toMatchObject({ code: 0 });
    const binaries = findPostgresBinaries() ?? '';
    const { port, username } = new URL(url);
    const schema = new URL(url).searchParams.get('options')?.split('=')[1] ?? '';
    const run = (program: string, ...args: string[]) =>
      promisify(execFile)(
        existsSync(join(binaries, program)) ? join(binaries, program) : program,
        ['-h', '127.0.0.1', '-p', port, '-U', username, ...args],
        {
          ...postgresUser(),
          cwd: cluster().folder,
          env: { PATH: process.env['PATH'] },
        },
      );
    const dump = join(cluster().folder, 'ledger.dump');
    await run('pg_dump', '--format=custom', '--schema', schema, '--file', dump, 'postgres');
    await run('createdb', 'restored');
    await run('pg_restore', '--dbname', 'restored', '--exit-on-error', dump);
    const restored = url.replace('/postgres?', '/restored?');
    const at = (...args: string[]) => runCliHere(args, { env: { ...env, DATABASE_URL: restored } });
    expect((await at('audit', 'verify')).out).toContain('the chain is whole');
    expect((await at('keys', 'list')).out).toContain('copied');
    expect(await versionsIn(restored)).toEqual(await versionsIn(url));
  });

  it('sums of budget periods go when no kept call can have a part in them, and what holds money stays', async () => {
    const day = 24 * 3_600_000;
    const row = (period: string, age: number, held: number) =>
      `('tenant:t', '${period}', ${String(Date.now() - age * day)}, ${String(held)}, 5, '[]', '[]')`;
    const columns = 'scope, period, window_start, held_nano_usd, spent_nano_usd, watch, alerted';
    const rows = [
      row('day', 130, 0),
      row('month', 131, 0),
      row('day', 132, 7),
      row('total', 133, 0),
      row('day', 100, 0),
    ];
    await cluster().query(url, `insert into budget_windows (${columns}) values ${rows.join(',')}`);
    const pruned = JSON.parse((await holdfast('ledger', 'prune', '--json')).out) as object;
    expect(pruned).toEqual({ calls: 0, idempotency: 0, payloads: 0, windows: 2, damaged: [] });
    const left = await cluster().query(
      url,
      'select period, held_nano_usd::int as held from budget_windows order by 1, 2',
    );
    expect(left).toEqual([
      { period: 'day', held: 0 },
      { period: 'day', held: 7 },
      { period: 'total', held: 0 },
    ]);
  });

  it('a ledger belongs to one cluster and namespace, until it is released; too short a retention is refused', async () => {
    const server = await startTestServer();
    const connection = await connectNative({ address: server.address });
    try {
      const { ledger } = await ledgerAt(url);
      const check = (namespace: string) => checkEngine({ connection, namespace }, ledger);
      await check(server.namespace);
      await check(server.namespace);
      await connection.workflowService.registerNamespace({
        namespace: 'other',
        workflowExecutionRetentionPeriod: { seconds: 86_400 as never, nanos: 0 },
      });
      await expect(check('other')).rejects.toMatchObject({
        code: 'engine_unavailable',
        message: expect.stringContaining('holdfast ledger release-engine'),
      });
      expect(await holdfast('ledger', 'release-engine')).toMatchObject({ code: 0 });
      expect((await holdfast('audit', 'list')).out).toContain('ledger.release-engine');
      await check('other');
      const retention = (hours: number) => checkRetention({ connection, namespace: 'other' }, hours * 3_600_000);
      await retention(24);
      await expect(retention(48)).rejects.toMatchObject({
        code: 'engine_unavailable',
        message: expect.stringMatching(/24 h.*idempotencyHours is 48.*--retention 48h/),
      });
    } finally {
      await connection.close();
      await server.stop();
    }
  });
});

/** Database, its folder of steps, and a version of some releases ago. */
const OLDER_SCHEMA = [
  ['temporal', 'temporal', '1.10'],
  ['temporal_visibility', 'visibility', '1.2'],
] as const;

describe.skipIf(postgresUnavailableReason() ?? productionServerUnavailableReason())("Temporal's schema", () => {
  const cluster = useCluster();

  it(
    'is brought from an older version to that of the server by deploy/temporal/setup-schema.sh, which may run again',
    { timeout: BUILD_LIMIT_MS },
    async () => {
      const url = await cluster().newSchema();
      const { port, username } = new URL(url);
      const target = { postgresPort: Number(port), user: username };
      const versions = async () => {
        const at = (database: string) => url.replace(/\/postgres\?.*/, `/${database}`);
        const found = ['temporal', 'temporal_visibility'].map((name) =>
          cluster().query(at(name), 'select curr_version from schema_version'),
        );
        return (await Promise.all(found)).map(([row]) => row?.['curr_version']);
      };
      const { directory, schema } = await productionServer();
      const tool = (database: string, ...args: string[]) =>
        promisify(execFile)(join(directory, 'temporal-sql-tool'), ['--db', database, ...args], {
          env: {
            SQL_PLUGIN: 'postgres12',
            SQL_HOST: '127.0.0.1',
            SQL_PORT: port,
            SQL_USER: username,
            SQL_PASSWORD: 'unused',
          },
        });
      for (const [database, kind, older] of OLDER_SCHEMA) {
        await tool(database, 'create');
        await tool(database, 'setup-schema', '-v', '0.0');
        await tool(database, 'update-schema', '-d', join(schema, kind, 'versioned'), '-v', older);
      }
      expect(await versions()).toEqual(OLDER_SCHEMA.map(([, , older]) => older));
      await setUpTemporalSchema(target);
      const first = (await versions()).map(Number);
      for (const [index, [, , older]] of OLDER_SCHEMA.entries()) {
        expect(Number(String(first[index]).split('.')[1])).toBeGreaterThan(Number(older.split('.')[1]));
      }
      await setUpTemporalSchema(target);
      expect((await versions()).map(Number)).toEqual(first);
    },
  );
});
