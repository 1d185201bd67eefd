import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeUnfinishedDatabase } from './remove-unfinished-database.ts';

describe('the database of a server that was killed in its first moments', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-unfinished-'));
    path = join(directory, 'temporal.db');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function make(sql: string): void {
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
  }

  it('is removed when it is empty or has no namespace yet', () => {
    writeFileSync(path, '');
    expect(removeUnfinishedDatabase(path, 'default')).toBe(true);
    make('CREATE TABLE domains (name TEXT)');
    expect(removeUnfinishedDatabase(path, 'default')).toBe(true);
    make('CREATE TABLE namespaces (name TEXT)');
    expect(removeUnfinishedDatabase(path, 'default')).toBe(true);
    expect(existsSync(path)).toBe(false);
  });

  it('is kept once it has its namespace', () => {
    make(`CREATE TABLE namespaces (name TEXT); INSERT INTO namespaces VALUES ('default')`);
    expect(removeUnfinishedDatabase(path, 'default')).toBe(false);
    expect(existsSync(path)).toBe(true);
  });

  it('is not guessed about when it is no database: the user decides', () => {
    writeFileSync(path, 'not a database at all, but long enough to be read as one'.repeat(20));
    expect(() => removeUnfinishedDatabase(path, 'default')).toThrow(/not a database/);
    expect(existsSync(path)).toBe(true);
  });

  it('is left alone when there is none', () => {
    expect(removeUnfinishedDatabase(path, 'default')).toBe(false);
  });
});
