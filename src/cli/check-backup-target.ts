/** Where a copy of the ledger may be put: never where it would take the place of what it is a copy of. */
import { lstatSync, readdirSync, realpathSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { HoldfastError } from '../core/errors.ts';
import { BESIDE } from '../stores/sqlite/database-files.ts';

/**
 * Gives the absolute path. `replace` allows a file that is there already, and nothing else.
 * @throws HoldfastError `invalid_request`
 */
export function checkBackupTarget(given: string, home: string, replace: boolean): string {
  if (given.trim() === '') throw refused('The path of the backup is empty.');
  const target = resolve(given);
  const folder = realFolder(dirname(target));
  // The folder counts as it is, not as it is spelled: a symbolic link may lead into the home.
  const realHome = realpathSync(home);
  if (folder === realHome || folder.startsWith(realHome + sep)) {
    throw refused(
      `${target} is inside the home ${home}. Put the backup elsewhere: what is lost with the home is no backup.`,
    );
  }
  for (const log of [`${target}-wal`, `${target}-journal`]) {
    const stale = statSync(log, { throwIfNoEntry: false });
    if (stale && stale.size > 0) throw refused(`SQLite would take ${log} for a part of the backup. Name another file.`);
  }
  const found = lstatSync(join(folder, basename(target)), { throwIfNoEntry: false });
  if (!found) return target;
  if (found.isDirectory()) throw refused(`${target} is a directory. Name a file in it.`);
  if (!found.isFile()) throw refused(`${target} is not a regular file. Name a file that does not exist yet.`);
  if (filesOf(realHome).some(({ dev, ino }) => dev === found.dev && ino === found.ino)) {
    throw refused(`${target} is a file of the home ${home} under another name. Name another file.`);
  }
  if (!replace) throw refused(`${target} is there already. Name another file, or replace it with --force.`);
  return target;
}

function realFolder(folder: string): string {
  try {
    const real = realpathSync(folder);
    if (statSync(real).isDirectory()) return real;
  } catch (cause) {
    const error = refused(`There is no folder ${folder} that can be written to. Make it first.`);
    error.cause = cause;
    throw error;
  }
  throw refused(`${folder} is not a directory.`);
}

/** Links are followed: a ledger may lie on another disk than its home, its log and index beside it. */
function filesOf(home: string): Stats[] {
  const names = readdirSync(home).map((name) => join(home, name));
  const besides = names.flatMap((path) => {
    const real = statSync(path, { throwIfNoEntry: false })?.isFile() ? realpathSync(path) : null;
    return real === null ? [] : ['', ...BESIDE].map((suffix) => `${real}${suffix}`);
  });
  return besides.flatMap((path) => statSync(path, { throwIfNoEntry: false }) ?? []);
}

function refused(message: string): HoldfastError {
  return new HoldfastError('invalid_request', message);
}
