import { closeSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';

/** Writes the text durably beside `path`, mode 0600, to be put in its place. Gives the name; leaves nothing when it fails. */
export function writeTemporary(path: string, text: string): string {
  const temporary = `${path}.${randomUUID()}`;
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return temporary;
}
