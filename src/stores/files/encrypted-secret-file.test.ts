import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createEncryptedSecretFile } from './encrypted-secret-file.ts';

const masterKey = new Uint8Array(32).fill(1);
const SECRET = 'sk-very-secret-value';

function temporaryStore() {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-secrets-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'secrets.json');
  return { folder, path, store: createEncryptedSecretFile({ path, masterKey, clock: () => Date.UTC(2026, 10, 20) }) };
}

test('versions count up, the newest is given by default, older ones by number', async () => {
  const { store } = temporaryStore();
  expect(await store.resolve('claude')).toBeNull();
  expect(await store.set('claude', 'one')).toEqual({
    name: 'claude',
    version: 1,
    createdAt: '2026-11-20T00:00:00.000Z',
    origin: 'file',
  });
  await store.set('claude', 'two');
  expect(await store.resolve('claude')).toMatchObject({ version: 2, value: 'two' });
  expect(await store.resolve('claude', 1)).toMatchObject({ version: 1, value: 'one' });
  expect(await store.resolve('claude', 3)).toBeNull();
  expect(await store.list()).toMatchObject([{ name: 'claude', version: 2 }]);
});

test('a removed secret is gone, and its version numbers are never given again', async () => {
  const { store } = temporaryStore();
  await store.set('claude', 'one');
  expect(await store.remove('claude')).toBe(true);
  expect(await store.remove('claude')).toBe(false);
  expect(await store.resolve('claude')).toBeNull();
  expect(await store.list()).toEqual([]);
  expect(await store.set('claude', 'two')).toMatchObject({ version: 2 });
});

test('G5 the file holds no secret in the open and is for its owner only; nothing else is left beside it', async () => {
  const { store, path, folder } = temporaryStore();
  await store.set('claude', SECRET);
  const text = readFileSync(path, 'utf8');
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain(Buffer.from(SECRET).toString('base64'));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder).sort()).toEqual(['secrets.json', 'secrets.json.lock']);
});

test('a value moved under another name, or opened with another master key, is refused with what to do', async () => {
  const { store, path } = temporaryStore();
  await store.set('claude', SECRET);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"claude"', '"openai"'));
  await expect(store.resolve('openai')).rejects.toMatchObject({
    code: 'provider_auth',
    source: 'gateway',
    message: expect.stringContaining('holdfast secrets set openai'),
  });
  await store.set('mine', SECRET);
  const other = createEncryptedSecretFile({ path, masterKey: new Uint8Array(32).fill(2) });
  await expect(other.resolve('mine')).rejects.toThrow(/master key/);
});

test.each(['', '[]', '{"format":1}', '{"format":2,"secrets":{}}'])(
  'a malformed file (%j) is refused and kept',
  async (text) => {
    const { store, path } = temporaryStore();
    writeFileSync(path, text);
    await expect(store.set('claude', SECRET)).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(readFileSync(path, 'utf8')).toBe(text);
  },
);

test.each([
  ['', 'v'],
  ['a/b', 'v'],
  ['-x', 'v'],
  ['x'.repeat(129), 'v'],
  ['__proto__', 'v'],
  ['ok', ''],
])('refuses the name %j with the value %j', async (name, value) => {
  const { store } = temporaryStore();
  await expect(store.set(name, value)).rejects.toMatchObject({ code: 'invalid_request' });
});

test.each(['constructor', 'toString', '_x'])('%s is a name like any other', async (name) => {
  const { store } = temporaryStore();
  expect(await store.resolve(name)).toBeNull();
  await store.set(name, 'v');
  expect(await store.resolve(name)).toMatchObject({ version: 1, value: 'v' });
});

test('two processes that set secrets at once lose none', { timeout: 30_000 }, async () => {
  const { store, path } = temporaryStore();
  const source = `
    import { createEncryptedSecretFile } from ${JSON.stringify(fileURLToPath(new URL('./encrypted-secret-file.ts', import.meta.url)))};
    const store = createEncryptedSecretFile({ path: process.argv[1], masterKey: new Uint8Array(32).fill(1) });
    for (let i = 0; i < 20; i += 1) { await store.set(process.argv[2] + i, 'v'); await store.set('shared', 'v'); }
  `;
  const children = ['a', 'b'].map((name) =>
    spawn(process.execPath, ['--input-type=module', '-e', source, path, name], { stdio: 'inherit' }),
  );
  const exits = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  expect(exits).toEqual([0, 0]);
  expect(await store.list()).toHaveLength(41);
  expect(await store.resolve('shared')).toMatchObject({ version: 40 });
});
