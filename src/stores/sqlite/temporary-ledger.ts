/** Test support: ledgers in a folder that goes away with the test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import { START } from '../contract/fixture.ts';
import type { StoreUnderTest } from '../contract/fixture.ts';
import { openSqliteLedger } from './open-sqlite-ledger.ts';

export const TEST_MASTER_KEY: Uint8Array = new Uint8Array(32).fill(1);

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An empty ledger file; closed after the test. */
export async function temporaryLedger(folder = temporaryFolder()): Promise<StoreUnderTest & { path: string }> {
  const path = join(folder, 'ledger.db');
  const clock = { now: START };
  const opened = openSqliteLedger({ path, masterKey: TEST_MASTER_KEY, clock: () => clock.now });
  onTestFinished(() => opened.ledger.close());
  const storedBytes = () => {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const row = database.prepare('select coalesce(sum(length(sealed)), 0) as bytes from payloads').get();
      return Promise.resolve(Number(row?.['bytes']));
    } finally {
      database.close();
    }
  };
  return Promise.resolve({ ...opened, clock, path, storedBytes });
}
