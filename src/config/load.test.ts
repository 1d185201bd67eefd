import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldfastError } from '../core/errors.ts';
import { providerAdapters } from '../providers/registry.ts';
import type { ConfigProblem } from './config-error.ts';
import { configJsonSchema, loadSettings, parseSettings } from './load.ts';

const HASH = `hk1:${'0'.repeat(64)}`;
const ENV = { OPENAI_API_KEY: 'sk-present' };
const parse = (text: string, env: Record<string, string> = ENV) =>
  parseSettings(text, 'holdfast.yaml', { env, adapters: providerAdapters });

function errorOf(read: () => unknown): HoldfastError {
  try {
    read();
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

function problemsOf(text: string, env?: Record<string, string>): ConfigProblem[] {
  const { details } = errorOf(() => parse(text, env));
  return details?.['problems'] as unknown as ConfigProblem[];
}

const PROVIDERS = 'providers: { openai: { kind: openai, apiKey: "env:OPENAI_API_KEY" } }';

describe('a configuration with mistakes', () => {
  it('is refused with every one of them at once, each with its path and its fix', () => {
    const text = `
gateway: { prot: 4000, port: 70000 }
providers:
  openai: { kind: openai, apiKey: sk-literal-key-in-the-file }
  absent: { kind: openai, apiKey: env:NOT_SET }
  odd: { kind: martian }
  plain: { kind: openai-compatible, baseUrl: "http://api.example.com/v1" }
  inside: { kind: openai-compatible, baseUrl: "https://10.0.0.8/v1" }
models:
  smart: { targets: [{ provider: nobody, model: gpt-5 }] }
tenants:
  acme: { limits: { requestsPerMinute: -1 } }
keys:
  - { name: app, tenant: nowhere, hash: "${HASH}", models: [unknown-model] }
`;
    const error = errorOf(() => parse(text));
    const problems = error.details?.['problems'] as unknown as ConfigProblem[];
    expect(problems.map(({ path }) => path).sort()).toEqual([
      'gateway.port',
      'gateway.prot',
      'keys[0].models',
      'keys[0].tenant',
      'models.smart.targets[0].provider',
      'providers.absent.apiKey',
      'providers.inside.baseUrl',
      'providers.odd.kind',
      'providers.openai.apiKey',
      'providers.plain.baseUrl',
      'tenants.acme.limits.requestsPerMinute',
    ]);
    for (const { path, problem, fix } of problems) {
      expect(problem).not.toBe('');
      expect(fix).not.toBe('');
      expect(error.message).toContain(`${path}: ${problem}. ${fix}`);
    }
    expect(error.code).toBe('invalid_request');
    expect(error.message).toContain('holdfast.yaml has 11 errors');
    expect(error.message).not.toContain('sk-literal-key-in-the-file');
  });

  const single: [string, string, string, RegExp][] = [
    ['an unknown key', `${PROVIDERS}\nmodel: {}`, 'model', /unknown.*spelling/],
    ['an unknown key deep inside', `${PROVIDERS}\nsecurity: { redcat: [] }`, 'security.redcat', /unknown/],
    [
      'a missing variable',
      'providers: { a: { kind: openai, apiKey: "env:NOPE" } }',
      'providers.a.apiKey',
      /no NOPE.*Set NOPE/,
    ],
    ['a missing key', 'providers: { a: { kind: anthropic } }', 'providers.a.apiKey', /missing.*env:ANTHROPIC_API_KEY/],
    [
      'a literal key',
      'providers: { a: { kind: openai, apiKey: sk-123 } }',
      'providers.a.apiKey',
      /never the key itself/,
    ],
    ['an unknown kind', 'providers: { a: { kind: x } }', 'providers.a.kind', /no provider kind "x".*anthropic/],
    ['a missing address', 'providers: { a: { kind: openai-compatible } }', 'providers.a.baseUrl', /missing/],
    [
      'http',
      'providers: { a: { kind: openai-compatible, baseUrl: "http://x.com" } }',
      'providers.a.baseUrl',
      /not https.*allowPrivateAddress/,
    ],
    [
      'a private address',
      'providers: { a: { kind: openai-compatible, baseUrl: "https://192.168.1.1" } }',
      'providers.a.baseUrl',
      /192.168.1.1 is a private address/,
    ],
    [
      'another protocol',
      'providers: { a: { kind: openai-compatible, baseUrl: "file:///etc" } }',
      'providers.a.baseUrl',
      /./,
    ],
    ['no targets', `${PROVIDERS}\nmodels: { m: { targets: [] } }`, 'models.m.targets', /./],
    [
      'a target of no provider',
      `${PROVIDERS}\nmodels: { m: { targets: [{ provider: nope, model: x }] } }`,
      'models.m.targets[0].provider',
      /no provider "nope".*openai/,
    ],
    [
      'a negative budget',
      `${PROVIDERS}\ntenants: { a: { budgets: [{ limitUsd: -5, period: day }] } }`,
      'tenants.a.budgets[0].limitUsd',
      /./,
    ],
    [
      'a negative timeout',
      `${PROVIDERS}\nmodels: { m: { targets: [{ provider: openai, model: x }], timeouts: { totalMs: -1 } } }`,
      'models.m.timeouts.totalMs',
      /./,
    ],
    [
      'a time zone that is none',
      `${PROVIDERS}\ntenants: { a: { budgets: [{ limitUsd: 5, period: day, timeZone: Europe/Atlantis }] } }`,
      'tenants.a.budgets[0].timeZone',
      /IANA name such as Europe\/Berlin/,
    ],
    ['an offset as a time zone', `${PROVIDERS}\ntenants: { a: { timeZone: "+02:00" } }`, 'tenants.a.timeZone', /IANA/],
    [
      'a team that the tenant has not',
      `${PROVIDERS}\ntenants: { a: {} }\nkeys: [{ name: k, tenant: a, team: blue, hash: "${HASH}" }]`,
      'keys[0].team',
      /no team "blue".*tenants\.a\.teams/,
    ],
    [
      'a user that no call could name',
      `${PROVIDERS}\ntenants: { a: { users: { "Ann Lee": {} } } }`,
      'tenants.a.users.Ann Lee',
      /./,
    ],
    ['an unreadable hash', `${PROVIDERS}\nkeys: [{ name: a, hash: "abc" }]`, 'keys[0].hash', /holdfast keys create/],
    [
      'two keys of a name',
      `${PROVIDERS}\nkeys: [{ name: a, hash: "${HASH}" }, { name: a, hash: "${HASH}" }]`,
      'keys[1].name',
      /twice/,
    ],
    [
      'a key of no tenant',
      `${PROVIDERS}\nkeys: [{ name: a, tenant: t, hash: "${HASH}" }]`,
      'keys[0].tenant',
      /no tenant "t"/,
    ],
    [
      'a literal URL of the database',
      `${PROVIDERS}\nstores: { ledger: postgres, postgresUrl: "postgres://u:p@h/db" }`,
      'stores.postgresUrl',
      /env:NAME or secret:NAME.*never the URL itself/,
    ],
    [
      'PostgreSQL without a URL',
      `${PROVIDERS}\nstores: { ledger: postgres }`,
      'stores.postgresUrl',
      /missing.*env:DATABASE_URL/,
    ],
    [
      'a URL that the environment lacks',
      `${PROVIDERS}\nstores: { ledger: postgres, postgresUrl: env:DATABASE_URL }`,
      'stores.postgresUrl',
      /no DATABASE_URL.*Set DATABASE_URL/,
    ],
    [
      'a literal URL of Redis',
      `${PROVIDERS}\nstores: { hot: redis, redisUrl: "redis://u:p@h" }`,
      'stores.redisUrl',
      /env:NAME or secret:NAME.*never the URL itself/,
    ],
    ['Redis without a URL', `${PROVIDERS}\nstores: { hot: redis }`, 'stores.redisUrl', /missing.*env:REDIS_URL/],
    [
      'a URL of Redis that the environment lacks',
      `${PROVIDERS}\nstores: { hot: redis, redisUrl: env:REDIS_URL }`,
      'stores.redisUrl',
      /no REDIS_URL.*Set REDIS_URL, or use hot: memory/,
    ],
    ['an unknown ledger', `${PROVIDERS}\nstores: { ledger: mysql }`, 'stores.ledger', /sqlite.*postgres/],
    ['no providers', 'models: {}', 'providers', /./],
    ['a list instead of a mapping', '- a', '(top)', /./],
    ['an empty file', '', 'providers', /./],
  ];
  it.each(single)('%s', (_, text, path, words) => {
    const problems = problemsOf(text);
    expect(problems.map((one) => one.path)).toEqual([path]);
    expect(`${problems[0]?.problem ?? ''}. ${problems[0]?.fix ?? ''}`).toMatch(words);
  });

  it('that is no YAML names the line', () => {
    const problems = problemsOf('providers:\n  a: { kind: openai\n  b: c\n');
    expect(problems[0]).toMatchObject({
      path: expect.stringMatching(/^line [23]$/) as string,
      fix: 'Correct the YAML.',
    });
    expect(problemsOf('providers: {}\nproviders: {}\n')[0]?.path).toBe('line 2');
  });

  it('that grows without end by its aliases is refused', () => {
    const lines = Array.from({ length: 12 }, (_, n) => `a${n}: &a${n} [${n === 0 ? 'x' : `*a${n - 1}, `.repeat(9)}]`);
    expect(errorOf(() => parse(lines.join('\n'))).code).toBe('invalid_request');
  });

  it('does not take a broken provider for an absent one', () => {
    const text = 'providers: { a: { apiKey: "env:X" } }\nmodels: { m: { targets: [{ provider: a, model: x }] } }';
    expect(problemsOf(text).map(({ path }) => path)).toEqual(['providers.a.kind']);
  });
});

describe('a configuration without mistakes', () => {
  it('has its defaults, exact money and normalised addresses', () => {
    const settings = parse(`
providers:
  openai: { kind: openai, apiKey: env:OPENAI_API_KEY }
  own: { kind: openai-compatible, baseUrl: "http://127.0.0.1:9001/v1/", allowPrivateAddress: true }
models:
  smart: { targets: [{ provider: openai, model: gpt-5 }], retries: { maxAttempts: 5 }, timeouts: { totalMs: 1000 } }
tenants:
  acme: { budgets: [{ limitUsd: "0.123456789", period: month, alertAt: [0.8] }], limits: { concurrency: 3 } }
keys:
  - { name: app, tenant: acme, hash: "${HASH}" }
`);
    expect(settings.gateway).toEqual({
      host: '127.0.0.1',
      port: 4000,
      authRequired: null,
      maxBodyBytes: 20 * 1024 * 1024,
    });
    expect(settings.providers.get('openai')).toMatchObject({
      baseUrl: 'https://api.openai.com/v1',
      apiKey: 'env:OPENAI_API_KEY',
    });
    expect(settings.providers.get('own')).toMatchObject({ baseUrl: 'http://127.0.0.1:9001/v1', apiKey: null });
    expect(settings.models.get('smart')).toMatchObject({
      retries: { maxAttempts: 5, initialBackoffMs: 500 },
      timeouts: { totalMs: 1_000, firstTokenMs: 60_000 },
      onUnknown: 'recover',
    });
    expect(settings.tenants.get('acme')?.budgets).toEqual([
      {
        scope: 'tenant:acme',
        period: 'month',
        timeZone: 'UTC',
        limitNanoUsd: 123_456_789n,
        hard: true,
        alertAt: [0.8],
        allowUnbounded: false,
      },
    ]);
    expect(settings.keys[0]).toMatchObject({ tenant: 'acme', models: null, roles: ['caller'], expiresAt: null });
    expect(settings.security).toEqual({
      redact: [],
      blockSecrets: true,
      encryptHistories: false,
      uiOrigins: [],
    });
  });
});

describe('where the ledger is', () => {
  const store = (stores: string, env = {}) => parse(`${PROVIDERS}\nstores: ${stores}`, { ...ENV, ...env }).ledgerStore;

  it('is the home, unless the file says PostgreSQL; the settings hold the reference and never the URL', () => {
    expect(parse(PROVIDERS).ledgerStore).toEqual({ kind: 'sqlite' });
    const DATABASE_URL = 'postgres://u:p@h/db';
    expect(store('{ ledger: postgres, postgresUrl: env:DATABASE_URL }', { DATABASE_URL })).toEqual({
      kind: 'postgres',
      urlReference: 'env:DATABASE_URL',
    });
    expect(store('{ ledger: postgres, postgresUrl: secret:db }')).toMatchObject({ urlReference: 'secret:db' });
  });

  it('is not asked for a URL that is not used', () => {
    expect(store('{ ledger: sqlite, postgresUrl: env:DATABASE_URL }')).toEqual({ kind: 'sqlite' });
  });
});

describe('sealed histories', () => {
  const sealed = (rest: string, env = {}) =>
    parse(`${PROVIDERS}\n${rest}`, { ...ENV, ...env }).security.encryptHistories;
  const POSTGRES = 'stores: { ledger: postgres, postgresUrl: secret:db }';

  it('are the default where others run the server, and the file has the last word', () => {
    expect(sealed('')).toBe(false);
    expect(sealed(POSTGRES)).toBe(true);
    expect(sealed('security: { encryptHistories: true }')).toBe(true);
    expect(sealed(`${POSTGRES}\nsecurity: { encryptHistories: false }`)).toBe(false);
  });

  it.each(['temporal.example.com', 'https://temporal.example.com/', 'https://h/ui', '*', 'null'])(
    'takes no web page from %s, which is no origin',
    (origin) => {
      const error = errorOf(() => parse(`${PROVIDERS}\nsecurity: { uiOrigins: ["${origin}"] }`));
      expect(error.message).toMatch(/security\.uiOrigins\[0\].*scheme, host and port only/s);
    },
  );
});

describe('where the configuration comes from', () => {
  let home: string;
  let from: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
    from = process.cwd();
  });
  afterEach(() => {
    process.chdir(from);
    rmSync(home, { recursive: true });
  });
  const load = (env: Record<string, string>) => loadSettings({ env, adapters: providerAdapters });

  it('the file that HOLDFAST_CONFIG names', () => {
    const path = join(home, 'own.yaml');
    writeFileSync(path, PROVIDERS);
    expect(load({ ...ENV, HOLDFAST_CONFIG: path })).toMatchObject({ origin: path });
  });

  it('a named file that is not there is an error, and never the built-in configuration in silence', () => {
    const error = errorOf(() => load({ HOLDFAST_CONFIG: join(home, 'nope.yaml') }));
    expect(error.message).toMatch(/nope\.yaml.*ENOENT.*HOLDFAST_CONFIG/s);
  });

  it('without a file it is built in: simulated providers, and the real ones whose key is there', () => {
    // A worker thread cannot change its directory, but tests run in forks.
    process.chdir(home);
    const bare = load({});
    expect(bare.origin).toBe('built-in');
    expect([...bare.providers.values()].every(({ kind }) => kind === 'simulated')).toBe(true);
    expect(bare.models.has('demo')).toBe(true);
    const keyed = load({ OPENAI_API_KEY: 'x', ANTHROPIC_API_KEY: 'y', GEMINI_API_KEY: '' });
    expect(keyed.providers.get('openai')).toMatchObject({ kind: 'openai', apiKey: 'env:OPENAI_API_KEY' });
    expect(keyed.providers.has('anthropic')).toBe(true);
    expect(keyed.providers.has('gemini')).toBe(false);
    writeFileSync('holdfast.yaml', PROVIDERS);
    expect(load(ENV).origin).toMatch(/holdfast\.yaml$/);
  });
});

it('gives a JSON schema for editors that knows every top-level key and refuses others', () => {
  const schema = configJsonSchema() as { properties: Record<string, unknown>; additionalProperties: boolean };
  expect(Object.keys(schema.properties)).toEqual(
    expect.arrayContaining(['gateway', 'providers', 'models', 'tenants', 'keys', 'security', 'prices', 'retention']),
  );
  expect(schema.additionalProperties).toBe(false);
  expect(JSON.stringify(schema)).toContain('allow http and addresses');
});
