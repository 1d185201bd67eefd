import { linkSync, rmSync } from 'node:fs';
import { writeTemporary } from '../../stores/files/write-temporary.ts';
import { hasCode } from '../../temporal/process/process-identity.ts';

/** Writes a file that was not there, as a whole or not at all. Mode 0600. False, and nothing is touched, when it was. */
export function writeNewFile(path: string, text: string): boolean {
  const temporary = writeTemporary(path, text);
  try {
    // A rename would replace what another process has put there in the meantime.
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}
