import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import type { SecretStore } from '../core/ports/secret-store.ts';
import { createCredentialResolver } from './credential-resolver.ts';
import { SecretValue } from './secret-value.ts';

const SECRET = 'sk-very-secret-value';

const secrets: SecretStore = {
  resolve: (name) =>
    Promise.resolve(
      name === 'claude'
        ? { name, version: 7, createdAt: '2026-11-20T00:00:00.000Z', origin: 'file', value: SECRET }
        : null,
    ),
  list: () => Promise.resolve([]),
  set: () => Promise.reject(new Error('not used')),
  remove: () => Promise.resolve(false),
};

test('a name in the secret store resolves to its newest version', async () => {
  const credential = await createCredentialResolver({ secrets })('secret:claude');
  expect(credential).toMatchObject({ name: 'claude', version: 7 });
  expect(credential.reveal()).toBe(SECRET);
});

test('an environment variable is read at each resolution, without the line end of a file it came from', async () => {
  const env: Record<string, string> = { OPENAI_API_KEY: `${SECRET}\n` };
  const resolve = createCredentialResolver({ secrets, env });
  expect(await resolve('env:OPENAI_API_KEY')).toMatchObject({ name: 'env:OPENAI_API_KEY', version: 1 });
  expect((await resolve('env:OPENAI_API_KEY')).reveal()).toBe(SECRET);
  env['OPENAI_API_KEY'] = 'changed';
  expect((await resolve('env:OPENAI_API_KEY')).reveal()).toBe('changed');
});

test.each(['env:MISSING', 'env:EMPTY', 'secret:missing'])('%s is provider_auth with the remedy', async (reference) => {
  const resolve = createCredentialResolver({ secrets, env: { EMPTY: ' ' } });
  await expect(resolve(reference)).rejects.toMatchObject({
    code: 'provider_auth',
    source: 'gateway',
    message: expect.stringContaining(`holdfast secrets set ${reference.split(':')[1] ?? ''}`),
  });
});

test.each([SECRET, '', 'env:', 'env:A B', 'vault:x', 'secret:../x'])(
  'G5 %j is no reference; the error does not repeat it, for it may be the secret',
  async (text) => {
    const error: unknown = await createCredentialResolver({ secrets })(text).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'invalid_request' });
    expect(inspect(error)).not.toContain(SECRET);
  },
);

test('G5 a secret value shows itself nowhere but in reveal()', async () => {
  const credential = await createCredentialResolver({ secrets })('secret:claude');
  const value = new SecretValue(SECRET);
  const shown = [
    String(value),
    value.toString(),
    JSON.stringify({ value, credential }),
    inspect(value, { showHidden: true, depth: 9 }),
    inspect(credential, { showHidden: true, depth: 9 }),
    JSON.stringify(Object.assign({}, value)),
    Object.entries(value).join(),
  ].join('\n');
  expect(shown).not.toContain(SECRET);
  expect(shown).toContain('[secret]');
});
