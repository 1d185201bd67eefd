import { DatabaseSync } from 'node:sqlite';

export interface ExclusiveLock {
  release: () => void;
}

/** A lock whose handle nobody kept must not end with the next garbage collection. */
const held = new Set<DatabaseSync>();

/** SQLITE_BUSY. */
const BUSY = 5;

/**
 * Takes a lock that one process at a time can have, or `undefined` when another holds it. The lock is an open SQLite
 * transaction: the kernel's own file lock under it vanishes with the process, also by `kill -9`, and is not inherited
 * by children. Hazard: POSIX drops the lock when this process opens and closes the same file by other means, so nothing
 * else may touch `path`.
 */
export function tryExclusiveLock(path: string): ExclusiveLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return undefined;
    throw error;
  }
  held.add(database);
  return {
    release: () => {
      held.delete(database);
      if (database.isOpen) database.close();
    },
  };
}
