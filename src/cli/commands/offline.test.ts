/** Commands on a home in which nothing runs. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCliHere } from '../../../test/support/run-cli-here.ts';
import { lockHome } from '../../temporal/server/home-lock.ts';
import { admitted, budget } from '../../stores/contract/fixture.ts';
import { openHomeStores } from '../access/home-stores.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
const home = join(folder, 'home');
const configPath = join(folder, 'holdfast.yaml');

beforeAll(() => {
  writeFileSync(
    configPath,
    `
providers:
  claude: { kind: anthropic, apiKey: secret:claude }
models:
  smart: { targets: [{ provider: claude, model: claude-sonnet-4-5 }] }
tenants:
  acme:
    budgets: [{ limitUsd: 50, period: month }]
    teams: { blue: {} }
    users: { default: { budgets: [{ limitUsd: 1, period: day, timeZone: Asia/Kolkata }] } }
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const holdfast = (args: string[], { env, input }: { env?: Record<string, string>; input?: string } = {}) =>
  runCliHere(args, {
    env: { HOLDFAST_HOME: home, HOLDFAST_CONFIG: configPath, ...env },
    ...(input !== undefined && { input }),
  });

async function json<T>(args: string[], options?: Parameters<typeof holdfast>[1]): Promise<T> {
  const { code, out, err } = await holdfast([...args, '--json'], options);
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as T;
}

const doctorPorts = ['--port', '0', '--temporal-port', '0', '--ui-port', '0'];
interface Doctor {
  ok: boolean;
  checks: { name: string; status: string; message: string; remedy?: string }[];
}
async function doctor(
  options?: Parameters<typeof holdfast>[1],
): Promise<{ code: number; ok: boolean; find(name: string): Doctor['checks'][0] }> {
  const { code, out } = await holdfast(['doctor', ...doctorPorts, '--json'], options);
  const { ok, checks } = JSON.parse(out) as Doctor;
  return { code, ok, find: (name) => checks.find((check) => check.name === name)! };
}

describe('a home that is a regular file, or below one', () => {
  test.each([
    ['doctor', ...doctorPorts],
    ['up', '--port', '0'],
    ['calls', 'list'],
    ['secrets', 'list'],
    ['call', 'smart', 'hi'],
  ])('%s says so in one line', async (...args) => {
    for (const below of ['', 'home']) {
      const { code, out, err } = await holdfast(args, { env: { HOLDFAST_HOME: join(configPath, below) } });
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toMatch(/^invalid_request: .*holdfast\.yaml is not a directory.*HOLDFAST_HOME=.*\n$/);
    }
  });
});

describe('before the first start', () => {
  test('reading what is not there yet is one line and exit 1', async () => {
    const { code, out, err } = await holdfast(['calls', 'list']);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^not_found: There is no ledger in .*\n$/);
  });

  test('the doctor names the missing secret and what to type', async () => {
    const { code, ok, find } = await doctor();
    expect({ code, ok }).toEqual({ code: 1, ok: false });
    expect(find('secrets')).toMatchObject({ status: 'fail', remedy: 'Run: holdfast secrets set claude' });
    expect(find('home').status).toBe('ok');
    expect(find('ledger').status).toBe('ok');
  });
});

describe('secrets', () => {
  test('are read from stdin, never shown, stored encrypted, and audited', async () => {
    const stored = await holdfast(['secrets', 'set', 'claude', '--secret-stdin'], { input: 'sk-canary\n' });
    expect(stored).toMatchObject({ code: 0, out: expect.stringContaining('claude@1') });
    await holdfast(['secrets', 'set', 'claude', '--secret-stdin'], { input: 'sk-canary-2' });
    const listed = await json<{ secrets: object[] }>(['secrets', 'list']);
    expect(listed).toMatchObject({ secrets: [{ name: 'claude', version: 2, origin: 'file' }] });
    const shown = [
      stored.out,
      JSON.stringify(listed),
      (await holdfast(['secrets', 'list'])).out,
      (await holdfast(['audit', 'list'])).out,
    ];
    expect(shown.join('') + readFileSync(join(home, 'secrets.json'), 'utf8')).not.toContain('sk-canary');
    const stores = openHomeStores(home, {});
    expect(await stores.secrets().resolve('claude')).toMatchObject({ value: 'sk-canary-2' });
    expect(await stores.secrets().resolve('claude', 1)).toMatchObject({ value: 'sk-canary' });
    const { entries } = await json<{ entries: object[] }>(['audit', 'list']);
    expect(entries).toMatchObject([
      { action: 'secret.set', subject: 'claude', details: { version: 1 } },
      { action: 'secret.set', subject: 'claude', details: { version: 2 } },
    ]);
  });

  test('are stored in a home that is not there yet, also with a master key from the environment', async () => {
    const env = { HOLDFAST_HOME: join(folder, 'fresh'), HOLDFAST_MASTER_KEY: Buffer.alloc(32, 1).toString('base64') };
    const stored = await holdfast(['secrets', 'set', 'claude', '--secret-stdin'], { env, input: 'sk' });
    expect(stored).toMatchObject({ code: 0, err: '' });
  });

  test('are removed once', async () => {
    await holdfast(['secrets', 'set', 'old', '--secret-stdin'], { input: 'x' });
    expect(await holdfast(['secrets', 'remove', 'old'])).toMatchObject({ code: 0 });
    expect(await holdfast(['secrets', 'remove', 'old'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^not_found:/),
    });
  });

  test.each([
    ['nothing on stdin', ['set', 'empty', '--secret-stdin'], '', 'must not be empty'],
    ['no terminal to ask on', ['set', 'asked'], undefined, '--secret-stdin'],
    ['a name that is none', ['set', '../up', '--secret-stdin'], 'x', 'A secret is named by'],
    ['more than a secret', ['set', 'big', '--secret-stdin'], 'x'.repeat(70_000), 'at most 65536 bytes'],
  ])('%s is refused', async (_what, args, input, message) => {
    const { code, err } = await holdfast(['secrets', ...args], input === undefined ? {} : { input });
    expect(code).toBe(1);
    expect(err).toContain(message);
  });

  test('are not sent over the network', async () => {
    const env = { HOLDFAST_URL: 'http://127.0.0.1:9' };
    const { code, err } = await holdfast(['secrets', 'set', 'claude', '--secret-stdin'], { env, input: 'x' });
    expect(code).toBe(1);
    expect(err).toContain('Unset HOLDFAST_URL');
  });
});

describe('keys', () => {
  test('are made, listed and revoked, in the shapes that scripts rely on', async () => {
    const created = await json<{ key: string; entry: object }>([
      'keys',
      'create',
      '--name',
      'app',
      '--tenant',
      'acme',
      '--team',
      'blue',
      '--models',
      'smart, claude/x',
    ]);
    expect(created.key).toMatch(/^hk_/);
    expect(created.entry).toMatchObject({
      name: 'app',
      tenant: 'acme',
      team: 'blue',
      hash: expect.stringMatching(/^hk1:/),
      models: ['smart', 'claude/x'],
      roles: ['caller'],
    });
    await json(['keys', 'create', '--name', 'boss', '--admin', '--expires', '2199-01-01T00:00:00Z']);
    expect(await json(['keys', 'revoke', 'app'])).toMatchObject({
      entry: { name: 'app', revokedAt: expect.any(String) },
    });
    expect(await json(['keys', 'list'])).toMatchObject({
      keys: [
        { name: 'app', source: 'ledger' },
        { name: 'boss', roles: ['caller', 'admin'], expiresAt: '2199-01-01T00:00:00Z', revokedAt: null },
      ],
    });
    const { out } = await holdfast(['keys', 'list']);
    expect(out).toMatch(/app +acme\/blue +smart,claude\/x +caller +revoked +never +ledger/);
    expect(out).toMatch(/boss +default +all +caller,admin +valid/);
  });

  test.each([
    [['keys', 'create'], "required option '--name <name>'"],
    [['keys', 'create', '--name', 'app'], 'There is a key named app already'],
    [['keys', 'create', '--name', 'x', '--tenant', 'nobody'], 'There is no tenant "nobody"'],
    [['keys', 'create', '--name', 'x', '--tenant', 'acme', '--team', 'red'], 'has no team "red"'],
    [['keys', 'create', '--name', 'x', '--models', 'a,,b'], 'with commas between them'],
    [['budgets', '--limit', '0'], 'a limit is a number from 1 to 1000'],
    [['keys', 'revoke', 'nobody'], 'There is no key named "nobody"'],
  ])('%j is refused in one line', async (args, message) => {
    const { code, out, err } = await holdfast(args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('what is configured', () => {
  test('budgets are shown as a table and as JSON', async () => {
    expect(await json(['budgets'])).toMatchObject({
      budgets: [
        { scope: 'tenant:acme', period: 'month', limitNanoUsd: '50000000000', heldNanoUsd: '0', spentNanoUsd: '0' },
      ],
    });
    expect((await holdfast(['budgets'])).out).toMatch(/tenant:acme +month +\$50\.00 +\$0\.00 +\$0\.00 +20/);
  });

  test('budgets of users that the configuration does not name are listed page by page', async () => {
    const stores = openHomeStores(home, {});
    for (const user of ['ann', 'bob']) {
      const budgets = [budget({ scope: `user:acme/${user}`, period: 'day', timeZone: 'Asia/Kolkata' })];
      await admitted(await stores.ledger(), user, budgets);
    }
    await stores.close();
    const page = await json<{ budgets: unknown[]; next: string }>(['budgets', '--limit', '1']);
    expect(page).toMatchObject({
      budgets: [
        { scope: 'tenant:acme', timeZone: 'UTC' },
        { scope: 'user:acme/ann', timeZone: 'Asia/Kolkata', resetsAt: expect.stringContaining('T18:30:00.000Z') },
      ],
      next: 'user:acme/ann',
    });
    expect((await holdfast(['budgets', '--limit', '1'])).out).toContain('more: --after user:acme/ann');
    expect(await json(['budgets', '--after', page.next])).toMatchObject({
      budgets: [{ scope: 'user:acme/bob', heldNanoUsd: '1000' }],
      next: null,
    });
  });

  test('providers and models are shown as tables and as JSON', async () => {
    expect(await json(['models'])).toEqual({ models: [{ name: 'smart', targets: ['claude/claude-sonnet-4-5'] }] });
    expect((await holdfast(['models'])).out).toContain('claude/claude-sonnet-4-5');
    expect((await holdfast(['providers'])).out).toMatch(
      /claude +anthropic +https:\/\/api\.anthropic\.com\S* +secret:claude/,
    );
    expect(await json(['providers'])).toMatchObject({ configured: [{ name: 'claude' }], kinds: expect.any(Array) });
  });

  test('config check says what it found, or every problem with its path and exit 1', async () => {
    expect(await json(['config', 'check'])).toEqual({
      ok: true,
      origin: configPath,
      providers: 1,
      models: 1,
      tenants: 1,
      keys: 0,
      ledger: 'sqlite',
    });
    expect((await holdfast(['config', 'check'])).out).toContain('ok: ');
    const bad = join(folder, 'bad.yaml');
    writeFileSync(
      bad,
      'providers: { a: { kind: nothing } }\nmodels: { m: { targets: [{ provider: b, model: x }] } }\n',
    );
    const plain = await holdfast(['config', 'check', bad]);
    expect(plain.code).toBe(1);
    expect(plain.err).toContain('providers.a.kind');
    expect(plain.err).toContain('models.m.targets[0].provider');
    const machine = await holdfast(['config', 'check', bad, '--json']);
    expect(machine.code).toBe(1);
    expect(JSON.parse(machine.out)).toMatchObject({
      ok: false,
      problems: [{ path: 'providers.a.kind' }, { path: 'models.m.targets[0].provider' }],
    });
  });

  test('config schema is the JSON Schema of the file', async () => {
    const { code, out } = await holdfast(['config', 'schema']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ type: 'object', properties: { providers: {}, models: {}, keys: {} } });
  });
});

describe('the audit log', () => {
  test('verify tells a whole chain from one in which an entry was changed, and exits 1 then', async () => {
    expect(await json(['audit', 'verify'])).toMatchObject({ brokenAt: null });
    expect((await holdfast(['audit', 'list', '--limit', '1'])).out).toMatch(/1 +\S+ +local +secret\.set +claude/);
    const copy = join(folder, 'copied-home');
    mkdirSync(copy);
    await holdfast(['backup', join(copy, 'ledger.db')]);
    writeFileSync(join(copy, 'master.key'), readFileSync(join(home, 'master.key')), { mode: 0o600 });
    const database = new DatabaseSync(join(copy, 'ledger.db'));
    database.exec("update audit set subject = 'other' where seq = 2");
    database.close();
    const { code, out } = await holdfast(['audit', 'verify'], { env: { HOLDFAST_HOME: copy } });
    expect(code).toBe(1);
    expect(out).toContain('broken at entry 2');
  });
});

describe('doctor', () => {
  test('finds a home in good order, and says so in a line each', async () => {
    const { code, ok, find } = await doctor();
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    expect(find('secrets').message).toBe('claude: all stored');
    expect(find('ledger').message).toMatch(/^sqlite: opens, schema version \d+$/);
    const { out } = await holdfast(['doctor', ...doctorPorts]);
    expect(out).toMatch(/ok .*node: Node 24/);
  });

  test('finds a home that something owns and does not serve', async () => {
    const owned = join(folder, 'owned');
    const lock = lockHome(owned);
    const { find } = await doctor({ env: { HOLDFAST_HOME: owned } });
    expect(find('home')).toMatchObject({ status: 'warn', remedy: expect.stringContaining('owner.json') });
    lock.release();
    expect((await doctor({ env: { HOLDFAST_HOME: owned } })).find('home').status).toBe('ok');
  });

  test('finds a taken port, a bad configuration, a bad binary, and a ledger of the future', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const taken = await holdfast(['doctor', '--port', String(port), '--temporal-port', '0', '--ui-port', '0']);
    server.close();
    expect(taken.code).toBe(1);
    expect(taken.out).toContain(`${String(port)} is taken by another process`);
    expect(taken.out).toContain('holdfast up --port <port>');

    const badConfig = await doctor({ env: { HOLDFAST_CONFIG: join(folder, 'none.yaml') } });
    expect(badConfig.find('config').status).toBe('fail');
    const badBinary = await doctor({ env: { HOLDFAST_TEMPORAL_CLI: '/bin/false' } });
    expect(badBinary.find('temporal')).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('HOLDFAST_TEMPORAL_CLI'),
    });
    const noBinary = await doctor({ env: { PATH: folder, XDG_CACHE_HOME: join(folder, 'cache') } });
    expect(noBinary.find('temporal')).toMatchObject({ status: 'warn' });
    const noCluster = await doctor({ env: { TEMPORAL_API_KEY: 'x' } });
    expect(noCluster.find('temporal')).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('TEMPORAL_ADDRESS'),
    });

    const future = join(folder, 'future');
    mkdirSync(future);
    const database = new DatabaseSync(join(future, 'ledger.db'));
    database.exec('create table schema_version (version integer not null); insert into schema_version values (999)');
    database.close();
    const newer = await doctor({ env: { HOLDFAST_HOME: future } });
    expect(newer.find('ledger')).toMatchObject({ status: 'fail', message: expect.stringContaining('999') });
  });
});

describe('the command line', () => {
  test.each([
    [['nothing'], "unknown command 'nothing'"],
    [['calls', 'list', '--limit', '0'], 'from 1 to 1000'],
    [['calls', 'list', '--state', 'odd'], 'Allowed choices are'],
    [['audit', 'list', '--after', '-1'], 'a sequence number'],
    [['up', '--port', '99999'], 'from 0 to 65535'],
    [['call', 'smart', 'hi'], 'No gateway runs for the home'],
    [['calls', 'cancel', 'call_1'], 'No gateway runs for the home'],
  ])('%j is refused in one line, with exit 1', async (args, message) => {
    const { code, err } = await holdfast(args);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  test('a gateway.json that no gateway wrote counts for nothing', async () => {
    const other = mkdtempSync(join(folder, 'garbage-'));
    writeFileSync(join(other, 'gateway.json'), 'not JSON');
    const { code, err } = await holdfast(['calls', 'cancel', 'call_1'], { env: { HOLDFAST_HOME: other } });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^\w+: No gateway runs for the home.*\n$/) });
  });

  test('--version gives the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await holdfast(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  test('--help lists the commands and exits 0', async () => {
    const { code, out } = await holdfast(['--help']);
    expect(code).toBe(0);
    for (const name of ['up', 'demo', 'call', 'calls', 'keys', 'secrets', 'doctor'])
      expect(out).toMatch(new RegExp(`^ +${name}\\b`, 'm'));
  });
});
