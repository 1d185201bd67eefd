import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldfastError } from '../../core/errors.ts';
import { lockHome } from './home-lock.ts';

describe('the lock of a home', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'holdfast-home-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  it('makes the home when it is missing', () => {
    const lock = lockHome(join(home, 'deeper', 'home'));
    expect(existsSync(join(home, 'deeper', 'home'))).toBe(true);
    lock.release();
  });

  it('turns a second owner away, naming the first and the way out', () => {
    const lock = lockHome(home);
    expect(() => lockHome(home)).toThrow(
      new HoldfastError(
        'engine_unavailable',
        `${home} is in use by process ${process.pid}. Stop that process, or choose another home: HOLDFAST_HOME=<directory>.`,
      ),
    );
    lock.release();
    lockHome(home).release();
  });

  it('outlives a garbage collection when nobody keeps the handle, and ends with kill -9', async () => {
    const script = `
      import { lockHome } from ${JSON.stringify(new URL('./home-lock.ts', import.meta.url).href)};
      lockHome(process.argv[1]);
      globalThis.gc();
      process.stdout.write('locked');
      process.stdin.resume();`;
    const args = ['--expose-gc', '--input-type=module-typescript', '-e', script, home];
    const owner = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(owner.stdout, 'data');
      expect(() => lockHome(home)).toThrow(`process ${owner.pid}`);
    } finally {
      owner.kill('SIGKILL');
      await once(owner, 'exit');
    }
    lockHome(home).release();
  });
});
