/** Commands on a ledger in PostgreSQL, in a home in which nothing runs. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresUnavailableReason } from '../../../test/support/postgres/binaries.ts';
import { useCluster } from '../../../test/support/postgres/ledgers.ts';
import { runCliHere } from '../../../test/support/run-cli-here.ts';

describe.skipIf(postgresUnavailableReason())('with stores.ledger: postgres', () => {
  const cluster = useCluster();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  const home = join(folder, 'home');
  const configPath = join(folder, 'holdfast.yaml');
  const brokenPath = join(folder, 'broken.yaml');
  const stores = 'stores: { ledger: postgres, postgresUrl: env:DATABASE_URL }';
  let env: Record<string, string> = {};

  beforeAll(async () => {
    writeFileSync(configPath, `providers: { sim: { kind: simulated } }\n${stores}`);
    writeFileSync(brokenPath, `providers: { odd: { kind: martian } }\n${stores}`);
    const key = Buffer.alloc(32, 1).toString('base64');
    const DATABASE_URL = await cluster().newSchema();
    env = { HOLDFAST_HOME: home, HOLDFAST_CONFIG: configPath, HOLDFAST_MASTER_KEY: key, DATABASE_URL };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const holdfast = (args: string[], change: Record<string, string> = {}) =>
    runCliHere(args, { env: { ...env, ...change } });
  const finding = async (wanted: string, change: Record<string, string> = {}) => {
    const ports = ['--port', '0', '--temporal-port', '0', '--ui-port', '0'];
    const { out } = await holdfast(['doctor', ...ports, '--json'], change);
    const { checks } = JSON.parse(out) as { checks: { name: string; status: string; message: string }[] };
    return checks.find(({ name }) => name === wanted);
  };
  const ledgerFinding = (change?: Record<string, string>) => finding('ledger', change);

  test('the doctor looks at the database and changes nothing', async () => {
    expect(await ledgerFinding()).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/^postgres: none yet/),
    });
    const tables = 'select count(*)::int as n from pg_tables where schemaname = current_schema()';
    expect(await cluster().query(env['DATABASE_URL'] ?? '', tables)).toEqual([{ n: 0 }]);
  });

  test('keys and audit are in the database, and none in the home', async () => {
    expect(await holdfast(['keys', 'create', '--name', 'first'])).toMatchObject({ code: 0 });
    expect((await holdfast(['keys', 'list'])).out).toContain('first');
    expect((await holdfast(['audit', 'verify'])).out).toContain('1 entries, the chain is whole');
    expect(existsSync(join(home, 'ledger.db'))).toBe(false);
    expect(await ledgerFinding()).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/^postgres: opens, schema version \d+$/),
    });
  });

  test('looking at calls without the master key makes none', async () => {
    const bare = join(folder, 'bare');
    const { code, err } = await holdfast(['calls', 'list'], { HOLDFAST_HOME: bare, HOLDFAST_MASTER_KEY: '' });
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringMatching(/^engine_unavailable: .*There is no master key/),
    });
    expect(existsSync(join(bare, 'master.key'))).toBe(false);
  });

  test('calls can be looked at while another part of the configuration is broken', async () => {
    expect(await holdfast(['calls', 'list'], { HOLDFAST_CONFIG: brokenPath })).toMatchObject({ code: 0, err: '' });
  });

  test('the URL may be a secret of the home', async () => {
    const secretConfig = join(folder, 'secret.yaml');
    writeFileSync(
      secretConfig,
      `providers: { sim: { kind: simulated } }\n${stores.replace('env:DATABASE_URL', 'secret:db')}`,
    );
    const change = { HOLDFAST_CONFIG: secretConfig };
    const missing = await holdfast(['keys', 'list'], change);
    expect(missing).toMatchObject({ code: 1, err: expect.stringMatching(/secret:db.*holdfast secrets set db/) });
    const remedy = 'Run: holdfast secrets set db';
    expect(await finding('secrets', change)).toMatchObject({ status: 'fail', remedy });
    const set = ['secrets', 'set', 'db', '--secret-stdin'];
    // The secret is stored before anything else: the audit entry that follows is already in that database.
    const stored = await runCliHere(set, { env: { ...env, ...change }, input: env['DATABASE_URL'] ?? '' });
    expect(stored).toMatchObject({ code: 0, err: '' });
    expect((await holdfast(['keys', 'list'], change)).out).toContain('first');
  });

  test('config check says where the ledger is', async () => {
    expect((await holdfast(['config', 'check'])).out).toMatch(/ledger in postgres\n$/);
    expect(JSON.parse((await holdfast(['config', 'check', '--json'])).out)).toMatchObject({
      ok: true,
      ledger: 'postgres',
    });
  });

  test('a backup names pg_dump, and writes nothing', async () => {
    const target = join(folder, 'copy');
    const { code, err } = await holdfast(['backup', target]);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('pg_dump') });
    expect(existsSync(target)).toBe(false);
  });

  test('a missing variable is an error with its path, for the ledger and for the configuration', async () => {
    const change = { DATABASE_URL: '' };
    for (const args of [
      ['calls', 'list'],
      ['config', 'check'],
    ]) {
      const { code, err } = await holdfast(args, change);
      expect({ code, err }).toEqual({
        code: 1,
        err: expect.stringContaining('stores.postgresUrl: the environment has no'),
      });
    }
  });

  test('another master key, an unreachable server and a newer schema are findings of the doctor', async () => {
    const key = Buffer.alloc(32, 2).toString('base64');
    expect(await ledgerFinding({ HOLDFAST_MASTER_KEY: key })).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('master key is not the one'),
    });
    const DATABASE_URL = 'postgres://u:hunter2@127.0.0.1:1/db';
    const unreachable = await ledgerFinding({ DATABASE_URL });
    expect(unreachable).toMatchObject({ status: 'fail', message: expect.stringContaining('ECONNREFUSED') });
    expect(JSON.stringify(unreachable)).not.toContain('hunter2');
    await cluster().query(env['DATABASE_URL'] ?? '', 'insert into schema_version (version) values (99)');
    expect(await ledgerFinding()).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('schema version 99'),
    });
  });
});
