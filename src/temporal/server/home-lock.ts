import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { tryExclusiveLock, type ExclusiveLock } from '../process/exclusive-lock.ts';
import { hasCode } from '../process/process-identity.ts';
import { makeHome } from './make-home.ts';

/**
 * Makes this process the one owner of a HOLDFAST_HOME until it releases the lock or ends, however it ends.
 * @throws HoldfastError `engine_unavailable`, naming the owner, when there is one; `invalid_request` as `makeHome`.
 */
export function lockHome(home: string): ExclusiveLock {
  makeHome(home);
  const ownerPath = join(home, 'owner.json');
  const lock = tryExclusiveLock(join(home, 'lock.db'));
  if (lock === undefined) {
    throw new HoldfastError(
      'engine_unavailable',
      `${home} is in use by ${readOwner(ownerPath)}. Stop that process, or choose another home: HOLDFAST_HOME=<directory>.`,
    );
  }
  writeFileSync(ownerPath, `${JSON.stringify({ pid: process.pid, since: new Date().toISOString() })}\n`);
  return {
    release: () => {
      rmSync(ownerPath, { force: true });
      lock.release();
    },
  };
}

/** For the message only: the lock decides, whatever this file says. */
function readOwner(path: string): string {
  try {
    const { pid } = /"pid":(?<pid>\d+)/.exec(readFileSync(path, 'utf8'))?.groups ?? {};
    return pid === undefined ? 'another process' : `process ${pid}`;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 'another process';
    throw error;
  }
}
