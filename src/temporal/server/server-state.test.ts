import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashFlags, homeIdentity, readServerState, removeServerState, writeServerState } from './server-state.ts';
import type { ServerState } from './server-state.ts';

describe('the state file of the embedded server', () => {
  let root: string;
  let home: string;
  let state: ServerState;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-state-'));
    home = mkdtempSync(join(root, 'home-'));
    const identity = { pid: 4711, startTime: 'boot/1', home: homeIdentity(home) };
    state = { ...identity, version: '1.8.2', flagsHash: hashFlags(['a']), port: 7233, uiPort: 8233 };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('is read as it was written, and is absent before and after', () => {
    expect(readServerState(home)).toBeUndefined();
    writeServerState(home, state);
    expect(readServerState(home)).toEqual(state);
    removeServerState(home);
    expect(readServerState(home)).toBeUndefined();
  });

  it('moves with its home', () => {
    writeServerState(home, state);
    renameSync(home, join(root, 'moved'));
    expect(readServerState(join(root, 'moved'))).toEqual(state);
  });

  it('is void in a copy of the home, whose server is not ours to stop', () => {
    writeServerState(home, state);
    cpSync(home, join(root, 'copy'), { recursive: true });
    expect(readServerState(join(root, 'copy'))).toBeUndefined();
  });

  it.each(['', '{"pid":', '[]', '{"pid": 1}'])('is void when it was cut or is of another shape: %j', (text) => {
    writeFileSync(join(home, 'temporal.json'), text);
    expect(readServerState(home)).toBeUndefined();
  });

  it('tells flags apart that differ only in where one ends', () => {
    expect(hashFlags(['a', 'b'])).not.toBe(hashFlags(['ab']));
    expect(hashFlags(['a', 'b'])).not.toBe(hashFlags(['a b']));
  });
});
