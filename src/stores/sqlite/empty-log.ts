import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../sql/schema.ts';

const TRIES = 10;
const PAUSE_MS = 100;

/**
 * Moves the write-ahead log into the file and empties it: old versions of pages stand there. Free space in the file itself
 * is overwritten by `secure_delete`. A reader in another process can hold it up.
 */
export async function emptyLog(db: Database): Promise<'overwritten' | 'until-checkpoint'> {
  for (let tries = 1; ; tries += 1) {
    const { rows } = await sql<{ busy: number }>`pragma wal_checkpoint(truncate)`.execute(db);
    if (rows[0]?.busy === 0) return 'overwritten';
    if (tries === TRIES) return 'until-checkpoint';
    await setTimeout(PAUSE_MS);
  }
}
