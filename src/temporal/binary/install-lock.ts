import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../core/errors.ts';
import { tryExclusiveLock } from '../process/exclusive-lock.ts';

const WAIT_MS = 40 * 60_000;
const POLL_MS = 250;
const SAY_EVERY_MS = 10_000;

export interface InstallWait {
  waitMs?: number;
}

/** Runs `install` while no other process installs into `directory`; waits for one that does, `waitMs` at most (40 min). */
export async function withInstallLock<T>(
  directory: string,
  onProgress: (line: string) => void,
  install: () => Promise<T>,
  { waitMs = WAIT_MS }: InstallWait = {},
): Promise<T> {
  const lockPath = join(directory, 'lock.db');
  const startedAt = performance.now();
  let nextLineMs = 0;
  let lock = tryExclusiveLock(lockPath);
  while (lock === undefined) {
    const waitedMs = performance.now() - startedAt;
    if (waitedMs >= waitMs) {
      throw new HoldfastError(
        'engine_unavailable',
        `Another process has been installing the Temporal server in ${directory} for ${Math.round(waitedMs / 1000)} s. ` +
          'Wait for it or stop it, then try again.',
      );
    }
    if (waitedMs >= nextLineMs) {
      onProgress(`waiting for another process that installs the Temporal server: ${Math.round(waitedMs / 1000)} s`);
      nextLineMs += SAY_EVERY_MS;
    }
    await delay(POLL_MS);
    lock = tryExclusiveLock(lockPath);
  }
  try {
    return await install();
  } finally {
    lock.release();
  }
}
