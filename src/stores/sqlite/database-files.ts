/** The files of a SQLite database. */
import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** Endings of what SQLite keeps beside a database. */
export const BESIDE = ['-wal', '-shm', '-journal'] as const;

/** No process may have it open. */
export function removeDatabase(path: string): void {
  for (const suffix of ['', ...BESIDE]) rmSync(`${path}${suffix}`, { force: true });
}

/** Resolves when a file, or the entries of a folder, are on disk. */
export async function syncToDisk(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
