import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeNewFile } from './write-new-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-new-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('writes a file once, private, and never over another; nothing half-written stays', () => {
  const path = join(folder, 'a.json');
  expect(writeNewFile(path, 'first')).toBe(true);
  expect(writeNewFile(path, 'second')).toBe(false);
  expect(readFileSync(path, 'utf8')).toBe('first');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(() => writeNewFile(join(folder, 'none', 'b.json'), 'text')).toThrow(/ENOENT/);
  expect(readdirSync(folder)).toEqual(['a.json']);
});
