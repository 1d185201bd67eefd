import { HoldfastError } from '../../core/errors.ts';

const RETRY_AFTER_MS = 1000;

/** Primary result codes after which nothing was written and the ledger as a whole is at fault, with what to do. */
const remedies: Readonly<Record<number, string>> = {
  5: 'another process holds the write lock for too long; look for a stuck Holdfast process or backup',
  6: 'a table is locked; look for a stuck Holdfast process',
  8: 'the file or its folder is read-only; give the process write permission',
  10: 'the disk reports an I/O error; look at the system log',
  11: 'the file is damaged; restore a backup',
  13: 'the disk is full; free some space',
  14: 'the file cannot be opened; look at the path and its permissions',
  23: 'access is denied; look at the permissions of the file',
  26: 'the file is not a SQLite database; look at the path or restore a backup',
};

/** `engine_unavailable` with cause and remedy for a failing store; any other error as it is. */
export function fromSqliteError(error: unknown): unknown {
  const primary = primaryCode(error);
  const remedy = primary === null ? undefined : remedies[primary];
  if (remedy === undefined) return error;
  const unavailable = new HoldfastError(
    'engine_unavailable',
    `The ledger could not be read or written (SQLite error ${String(primary)}): ${remedy}.`,
    { retryAfterMs: RETRY_AFTER_MS },
  );
  unavailable.cause = error;
  return unavailable;
}

function primaryCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}
