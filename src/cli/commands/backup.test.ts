import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runCliHere, type CliRun } from '../../../test/support/run-cli-here.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-backup-'));
const home = join(root, 'home');
/** Of each test. */
let folder: string;
let tests = 0;

const holdfast = (args: string[]) => runCliHere(args, { env: { HOLDFAST_HOME: home, HOLDFAST_CONFIG: '' } });

beforeAll(async () => {
  expect(await holdfast(['keys', 'create', '--name', 'first'])).toMatchObject({ code: 0 });
  symlinkSync(join(root, 'nowhere'), join(root, 'dangling'));
});
beforeEach(() => {
  folder = join(root, String((tests += 1)));
  mkdirSync(folder);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function keysIn(path: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare('select name from virtual_keys').all();
  } finally {
    database.close();
  }
}

function expectRefused({ code, out, err }: CliRun, message: string | RegExp): void {
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/^invalid_request: .*\n$/);
  expect(err).toMatch(message);
}

test('a backup is a copy that only its owner may read, and nothing is left beside it', async () => {
  const path = join(folder, 'copy.db');
  const { code, out } = await holdfast(['backup', path, '--json']);
  expect({ code, ...JSON.parse(out) }).toEqual({ code: 0, path });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['copy.db']);
  expect(keysIn(path)).toEqual([{ name: 'first' }]);
});

test('a file that is there is replaced only with --force', async () => {
  const path = join(folder, 'copy.db');
  writeFileSync(path, 'precious');
  expectRefused(await holdfast(['backup', path]), 'there already');
  expect(readFileSync(path, 'utf8')).toBe('precious');
  expect(await holdfast(['backup', path, '--force'])).toMatchObject({ code: 0 });
  expect(readdirSync(folder)).toEqual(['copy.db']);
  expect(keysIn(path)).toEqual([{ name: 'first' }]);
});

test('the log of another database is not left to be read into the copy', async () => {
  const path = join(folder, 'copy.db');
  writeFileSync(`${path}-wal`, 'of another database');
  expectRefused(await holdfast(['backup', path, '--force']), 'copy.db-wal');
});

test.each(['ledger.db', 'ledger.db-wal', 'master.key', 'new.db'])(
  'nothing is written into the home: %s, by its name or through a link to the folder, with --force or without',
  async (name) => {
    const before = contentsOfHome();
    const way = join(folder, 'way');
    symlinkSync(home, way);
    for (const path of [join(home, name), join(way, name), join(home, '..', 'home', name)]) {
      expectRefused(await holdfast(['backup', path]), 'inside the home');
      expectRefused(await holdfast(['backup', path, '--force']), 'inside the home');
    }
    expect(contentsOfHome()).toEqual(before);
  },
);

test('a folder of the home is inside it', async () => {
  const inner = join(home, 'inner');
  mkdirSync(inner);
  expectRefused(await holdfast(['backup', join(inner, 'copy.db'), '--force']), 'inside the home');
  rmSync(inner, { recursive: true });
});

test.each(['ledger.db', 'master.key'])('a link to %s is refused, hard or symbolic, with --force too', async (name) => {
  const before = contentsOfHome();
  const hard = join(folder, 'hard');
  const symbolic = join(folder, 'symbolic');
  linkSync(join(home, name), hard);
  symlinkSync(join(home, name), symbolic);
  expectRefused(await holdfast(['backup', hard, '--force']), 'a file of the home');
  expectRefused(await holdfast(['backup', symbolic, '--force']), 'not a regular file');
  expectRefused(await holdfast(['backup', hard]), 'a file of the home');
  expect(contentsOfHome()).toEqual(before);
  expect(readdirSync(folder)).toEqual(['hard', 'symbolic']);
});

test('a ledger that the home only links to is not replaced where it lies', async () => {
  const other = join(folder, 'linking-home');
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  mkdirSync(other, { mode: 0o700 });
  expect(await holdfast(['backup', join(disk, 'real.db')])).toMatchObject({ code: 0 });
  symlinkSync(join(disk, 'real.db'), join(other, 'ledger.db'));
  writeFileSync(join(other, 'master.key'), readFileSync(join(home, 'master.key')), { mode: 0o600 });
  const run = await runCliHere(['backup', join(disk, 'real.db'), '--force'], { env: { HOLDFAST_HOME: other } });
  expectRefused(run, 'a file of the home');
  expect(keysIn(join(disk, 'real.db'))).toEqual([{ name: 'first' }]);
});

test.each([
  ['a directory', () => folder, /directory/],
  ['an empty path', () => '', /empty/],
  ['a missing folder', () => join(folder, 'no', 'where.db'), /no folder/],
  ['a folder that is a file', () => join(home, 'master.key', 'copy.db'), /not a directory/],
  ['a link to nothing', () => join(root, 'dangling'), /not a regular file/],
])('%s is refused in one line', async (_name, path, message) => {
  expectRefused(await holdfast(['backup', path(), '--force']), message);
  expect(readdirSync(folder)).toEqual([]);
});

/** What stands in each file; SQLite's own index of its log changes when the ledger is read. */
function contentsOfHome(): Record<string, string> {
  const names = readdirSync(home).filter((name) => !name.endsWith('-shm') && !name.endsWith('-wal'));
  expect(existsSync(join(home, 'ledger.db'))).toBe(true);
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(home, name), 'base64')]));
}
