import { describe, expect, it } from 'vitest';
import type { VirtualKey } from '../core/ports/ledger/access.ts';
import type { KeySettings, Settings } from '../core/settings.ts';
import { parseSettings } from '../config/load.ts';
import { hashVirtualKey } from '../ledger/virtual-key.ts';
import { providerAdapters } from '../providers/registry.ts';
import { createAuthenticator } from './authenticate.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const keyOf = (letter: string) => `hk_${letter.repeat(43)}`;
const LIMITS = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null };

function inConfig(letter: string, extra: Partial<KeySettings> = {}): KeySettings {
  const hash = hashVirtualKey(keyOf(letter));
  const base = {
    tenant: 'acme',
    team: null,
    models: null,
    roles: ['caller'],
    expiresAt: null,
    budgets: [],
    limits: LIMITS,
  };
  return { name: `config-${letter}`, hash, ...base, ...extra };
}

function inLedger(letter: string, extra: Partial<VirtualKey> = {}): VirtualKey {
  const hash = hashVirtualKey(keyOf(letter));
  const dates = { createdAt: '2026-01-01T00:00:00Z', expiresAt: null, revokedAt: null };
  return {
    name: `ledger-${letter}`,
    tenant: 'umbrella',
    team: null,
    hash,
    models: ['small'],
    roles: ['caller'],
    ...dates,
    ...extra,
  };
}

function authenticatorWith(options: { config?: KeySettings[]; ledger?: VirtualKey[]; required?: boolean }) {
  const bare = parseSettings('providers: {}', 'test', { env: {}, adapters: providerAdapters });
  const settings: Settings = { ...bare, keys: options.config ?? [] };
  const asked: string[] = [];
  const ledger = {
    findKey(hash: string) {
      asked.push(hash);
      return Promise.resolve(options.ledger?.find((key) => key.hash === hash) ?? null);
    },
  };
  return { asked, ...createAuthenticator(settings, ledger, options.required ?? true, () => NOW) };
}

describe('an open gateway', () => {
  const open = authenticatorWith({ config: [inConfig('a')], required: false });

  it.each([[null], [''], ['sk-placeholder-of-an-sdk'], ['HK_not-one-of-ours']])(
    'takes %j as the local caller',
    async (key) => {
      const caller = { tenant: 'default', key: null, models: null, roles: ['caller', 'admin'] };
      expect(await open.authenticate(key)).toEqual(caller);
    },
  );

  it('still judges a key of its own kind: a known one is that caller, an unknown one is refused', async () => {
    expect(await open.authenticate(keyOf('a'))).toMatchObject({ tenant: 'acme', key: 'config-a', roles: ['caller'] });
    await expect(open.authenticate(keyOf('z'))).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('a gateway that requires keys', () => {
  it.each([
    [null, /is required.*Authorization: Bearer.*x-api-key/],
    ['', /is required/],
    ['sk-not-ours', /not one of this gateway/],
    ['hk_', /unknown/],
    [keyOf('z'), /unknown/],
    [`${keyOf('a')} `, /unknown/],
  ])('refuses %j', async (key, message) => {
    const { authenticate } = authenticatorWith({ config: [inConfig('a')] });
    await expect(authenticate(key)).rejects.toMatchObject({ code: 'unauthenticated', status: 401 });
    await expect(authenticate(key)).rejects.toThrow(message);
  });

  it('never repeats the key in its refusal', async () => {
    for (const key of ['sk-secret-of-a-provider', keyOf('z')]) {
      const refusal = await authenticatorWith({}).authenticate(key).catch(String);
      expect(refusal).not.toContain(key.slice(3));
    }
  });

  it('knows keys of the configuration without asking the ledger', async () => {
    const { authenticate, asked } = authenticatorWith({
      config: [inConfig('a'), inConfig('b', { models: ['small'] })],
    });
    expect(await authenticate(keyOf('b'))).toEqual({
      tenant: 'acme',
      key: 'config-b',
      models: ['small'],
      roles: ['caller'],
    });
    expect(asked).toEqual([]);
  });

  it('knows keys of the ledger by their hash only', async () => {
    const { authenticate, asked } = authenticatorWith({ ledger: [inLedger('l', { roles: ['admin'] })] });
    expect(await authenticate(keyOf('l'))).toEqual({
      tenant: 'umbrella',
      key: 'ledger-l',
      models: ['small'],
      roles: ['admin'],
    });
    expect(asked).toEqual([hashVirtualKey(keyOf('l'))]);
  });

  it('refuses a revoked key', async () => {
    const { authenticate } = authenticatorWith({ ledger: [inLedger('r', { revokedAt: '2026-05-01T00:00:00Z' })] });
    await expect(authenticate(keyOf('r'))).rejects.toThrow('revoked');
  });

  it('refuses a key from the very moment at which it expires, wherever it is kept', async () => {
    const at = (ms: number) => ({ expiresAt: new Date(NOW + ms).toISOString() });
    const { authenticate } = authenticatorWith({
      config: [inConfig('a', at(0)), inConfig('b', at(1))],
      ledger: [inLedger('l', at(-1)), inLedger('m', at(1))],
    });
    await expect(authenticate(keyOf('a'))).rejects.toThrow('expired');
    await expect(authenticate(keyOf('l'))).rejects.toThrow('expired');
    expect(await authenticate(keyOf('b'))).toMatchObject({ key: 'config-b' });
    expect(await authenticate(keyOf('m'))).toMatchObject({ key: 'ledger-m' });
  });
});
