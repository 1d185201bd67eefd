import { randomUUID } from 'node:crypto';
import { linkSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync, backup } from 'node:sqlite';
import { HoldfastError } from '../../core/errors.ts';
import { syncToDisk } from './database-files.ts';
import { fromSqliteError } from './sqlite-error.ts';

/** All pages in one step: a copy in several steps starts over whenever another connection writes. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a live database to a file, as it stands at one moment. Runs on a connection and a thread of its own. The file
 * appears under its name only when it is whole and durable. Mode 0600.
 * @throws HoldfastError `invalid_request` for a file that is there already, unless it is to be replaced, and for a path
 * that no file can be written to.
 */
export async function backupDatabase(source: string, target: string, replace = false): Promise<void> {
  const partial = `${target}.${randomUUID()}.partial`;
  try {
    // Made first, so that no other user can read it while it grows.
    await (await open(partial, 'wx', 0o600)).close();
  } catch (error) {
    throw asRefusal(error, target);
  }
  try {
    const database = new DatabaseSync(source, { readOnly: true });
    try {
      await backup(database, partial, { rate: ALL_PAGES });
    } finally {
      database.close();
    }
    await syncToDisk(partial);
    // A rename replaces what stands there, a link does not, even what another process has put there in the meantime.
    if (replace) renameSync(partial, target);
    else linkSync(partial, target);
    rmSync(partial, { force: true });
    await syncToDisk(dirname(target));
  } catch (error) {
    rmSync(partial, { force: true });
    rmSync(`${partial}-journal`, { force: true });
    throw asRefusal(fromSqliteError(error), target);
  }
}

/** What the file system says, as an error of the path; any other error as it is. */
function asRefusal(cause: unknown, target: string): unknown {
  if (!isErrnoException(cause)) return cause;
  const reason =
    cause.code === 'EEXIST'
      ? 'it is there already. Name another file, or replace it with --force.'
      : cause.syscall === 'link'
        ? `its file system has no hard links (${String(cause.code)}). If no file is there that you need, use --force.`
        : `the file system answers ${String(cause.code)}. Look at the path, its permissions and the free space.`;
  const error = new HoldfastError('invalid_request', `The backup is not written to ${target}: ${reason}`);
  error.cause = cause;
  return error;
}

function isErrnoException(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
