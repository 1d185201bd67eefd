import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openServerLog } from './server-log.ts';

describe('the log of the embedded server', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-log-'));
    path = join(directory, 'temporal.log');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('shows only the last lines of this start', () => {
    writeFileSync(path, 'of an earlier start\n');
    const log = openServerLog(path);
    expect(log.tail(3)).toEqual([]);
    writeSync(log.fd, 'one\ntwo\n\nthree\n');
    closeSync(log.fd);
    expect(log.tail(2)).toEqual(['two', 'three']);
    expect(log.tail(9)).toEqual(['one', 'two', 'three']);
  });

  it('is put aside when it has grown too large, and only then', () => {
    writeFileSync(path, '0123456789');
    closeSync(openServerLog(path, { maxBytes: 10 }).fd);
    expect(readFileSync(path, 'utf8')).toBe('0123456789');
    closeSync(openServerLog(path, { maxBytes: 9 }).fd);
    expect(readFileSync(path, 'utf8')).toBe('');
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('0123456789');
  });
});
