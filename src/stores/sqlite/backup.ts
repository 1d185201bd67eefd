import { chmod, rename, rm } from 'node:fs/promises';
import { DatabaseSync, backup } from 'node:sqlite';
import { fromSqliteError } from './sqlite-error.ts';

/** All pages in one step: a copy in several steps starts over whenever another connection writes. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a live database to a file, as it stands at one moment. Runs on a connection and a thread of its own. The file
 * appears under its name only when it is whole, and replaces one that was there.
 */
export async function backupDatabase(source: string, target: string): Promise<void> {
  const partial = `${target}.partial`;
  try {
    await rm(partial, { force: true });
    const database = new DatabaseSync(source, { readOnly: true });
    try {
      await backup(database, partial, { rate: ALL_PAGES });
    } finally {
      database.close();
    }
    await chmod(partial, 0o600);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw fromSqliteError(error);
  }
}
