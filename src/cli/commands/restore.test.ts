/** `holdfast restore` in a home in which nothing runs: what it refuses, and that it never loses what was there. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lockHome } from '../../temporal/server/home-lock.ts';
import { runCliHere } from '../../../test/support/run-cli-here.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
const home = join(folder, 'home');
const copy = join(folder, 'copy.db');
const ledger = join(home, 'ledger.db');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const holdfast = (args: string[], env: Record<string, string> = {}) =>
  runCliHere(args, { env: { HOLDFAST_HOME: home, ...env } });
const keys = async () => (await holdfast(['keys', 'list'])).out;
const filesOf = (path: string) => readdirSync(path).sort();

beforeAll(async () => {
  await holdfast(['keys', 'create', '--name', 'before']);
  expect(await holdfast(['backup', copy])).toMatchObject({ code: 0 });
  await holdfast(['keys', 'create', '--name', 'after']);
});

test('a backup takes the place of the ledger, which is kept with its histories', async () => {
  writeFileSync(join(home, 'temporal.db'), 'histories');
  const { code, out, err } = await holdfast(['restore', copy, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const { setAside } = JSON.parse(out) as { setAside: string };
  expect(await keys()).toContain('before');
  expect(await keys()).not.toContain('after');
  expect(statSync(ledger).mode & 0o777).toBe(0o600);
  expect(existsSync(join(home, 'temporal.db'))).toBe(false);
  expect(readFileSync(join(setAside, 'temporal.db'), 'utf8')).toBe('histories');
  expect((await holdfast(['audit', 'verify'])).out).toContain('the chain is whole');
  expect((await holdfast(['audit', 'list'])).out).toContain('ledger.restore');

  expect(await holdfast(['restore', join(setAside, 'ledger.db')])).toMatchObject({ code: 0, err: '' });
  expect(await keys()).toContain('after');
});

test.each<[string, (path: string) => void, RegExp]>([
  ['that is not there', () => undefined, /no such file/],
  ['that is empty', (path) => writeFileSync(path, ''), /is no ledger/],
  ['of another kind', (path) => writeFileSync(path, 'x'.repeat(5_000)), /not a SQLite database/],
  [
    'whose pages are damaged',
    (path) => {
      copyFileSync(copy, path);
      const bytes = readFileSync(path);
      bytes.fill(0xff, 4_096 * 3, 4_096 * 9);
      writeFileSync(path, bytes);
    },
    /damaged/,
  ],
])('a file %s is refused, and nothing has changed', async (_what, make, message) => {
  const path = join(folder, 'bad.db');
  make(path);
  const before = filesOf(home);
  const { code, err } = await holdfast(['restore', path]);
  rmSync(path, { force: true });
  expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(message) });
  expect(filesOf(home)).toEqual(before);
  expect(await keys()).toContain('after');
});

test('a backup of another master key is refused, and nothing has changed', async () => {
  const before = filesOf(home);
  const HOLDFAST_MASTER_KEY = Buffer.alloc(32, 9).toString('base64');
  const { code, err } = await holdfast(['restore', copy], { HOLDFAST_MASTER_KEY });
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('master key is not the one') });
  expect(filesOf(home)).toEqual(before);
});

test('a home in use is left alone', async () => {
  const lock = lockHome(home);
  const { code, err } = await holdfast(['restore', copy]);
  lock.release();
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('is in use by') });
  expect(await keys()).toContain('after');
});

test('a ledger in PostgreSQL is not a file', async () => {
  const config = join(folder, 'postgres.yaml');
  writeFileSync(config, 'stores: { ledger: postgres, postgresUrl: env:DATABASE_URL }\nproviders: {}\n');
  const { code, err } = await holdfast(['restore', copy], { HOLDFAST_CONFIG: config, DATABASE_URL: 'postgres://h/d' });
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('pg_restore') });
});
