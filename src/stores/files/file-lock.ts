import { DatabaseSync } from 'node:sqlite';

const WAIT_MS = 5000;

/**
 * Runs short synchronous work while no other process (or other holder in this one) runs its own under the same path.
 * SQLite's file lock is the operating system's: it ends with its process, so no lock is ever left behind.
 */
export function withFileLock<T>(path: string, work: () => T): T {
  const lock = new DatabaseSync(path, { timeout: WAIT_MS });
  try {
    lock.exec('begin exclusive');
    return work();
  } finally {
    if (lock.isTransaction) lock.exec('rollback');
    lock.close();
  }
}
