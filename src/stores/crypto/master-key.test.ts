import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadMasterKey } from './master-key.ts';

function temporaryHome(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-key-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'home');
}

test('the key is made on first use, for its owner only, and is the same afterwards', () => {
  const home = temporaryHome();
  const key = loadMasterKey({ home, env: {} });
  expect(key).toHaveLength(32);
  expect(loadMasterKey({ home, env: {} })).toEqual(key);
  expect(statSync(join(home, 'master.key')).mode & 0o777).toBe(0o600);
  expect(readdirSync(home)).toEqual(['master.key']);
});

test('the environment wins over the file', () => {
  const home = temporaryHome();
  const given = Buffer.alloc(32, 9);
  const env = { HOLDFAST_MASTER_KEY: given.toString('base64') };
  expect(Buffer.from(loadMasterKey({ home, env }))).toEqual(given);
});

test.each(['short', Buffer.alloc(31).toString('base64'), Buffer.alloc(33).toString('base64'), 'x'.repeat(44)])(
  'a malformed key in the environment is refused with the way to make one, and is not repeated',
  (text) => {
    const load = () => loadMasterKey({ home: temporaryHome(), env: { HOLDFAST_MASTER_KEY: text } });
    expect(load).toThrow(/HOLDFAST_MASTER_KEY.*32 bytes.*openssl rand -base64 32/);
    expect(load).not.toThrow(new RegExp(text.replaceAll('+', '\\+')));
  },
);

test('a key file that others may read, or that holds something else, is refused with what to do', () => {
  const home = temporaryHome();
  loadMasterKey({ home, env: {} });
  const path = join(home, 'master.key');
  chmodSync(path, 0o644);
  expect(() => loadMasterKey({ home, env: {} })).toThrow(/chmod 600/);
  chmodSync(path, 0o600);
  writeFileSync(path, 'oops');
  expect(() => loadMasterKey({ home, env: {} })).toThrow(expect.objectContaining({ code: 'engine_unavailable' }));
});

test('what only looks makes no key, and says what is missing', () => {
  const home = temporaryHome();
  expect(() => loadMasterKey({ home, env: {}, makes: false })).toThrow(/no master key.*HOLDFAST_MASTER_KEY/);
  expect(existsSync(home)).toBe(false);
  const key = loadMasterKey({ home, env: {} });
  expect(loadMasterKey({ home, env: {}, makes: false })).toEqual(key);
});
