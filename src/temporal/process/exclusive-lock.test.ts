import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tryExclusiveLock } from './exclusive-lock.ts';

describe('an exclusive lock', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-lock-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('goes to one holder at a time, also within a process', () => {
    const path = join(directory, 'lock.db');
    const first = tryExclusiveLock(path);
    expect(first).toBeDefined();
    expect(tryExclusiveLock(path)).toBeUndefined();
    first?.release();
    const second = tryExclusiveLock(path);
    expect(second).toBeDefined();
    second?.release();
  });

  it('can be released twice', () => {
    const lock = tryExclusiveLock(join(directory, 'lock.db'));
    lock?.release();
    expect(() => lock?.release()).not.toThrow();
  });

  it('reports a directory that is not there instead of calling it locked', () => {
    expect(() => tryExclusiveLock(join(directory, 'missing', 'lock.db'))).toThrow(/unable to open/);
  });
});
