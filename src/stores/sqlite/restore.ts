/** A backup on its way to being the ledger again. */
import { copyFileSync, existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../../core/errors.ts';
import { removeDatabase, syncToDisk } from './database-files.ts';
import { openSqliteLedger } from './open-sqlite-ledger.ts';
import { fromSqliteError } from './sqlite-error.ts';

/**
 * Copies a backup to `staged` and looks whether it can take the place of the ledger: whole, of this master key, brought to the
 * schema of this Holdfast, one file, on disk.
 * @param options `actor` restores it, says the audit of the copy.
 * @throws HoldfastError `invalid_request` for a path that is no ledger, `engine_unavailable` for one that is damaged, newer, or
 *   of another master key. Then no copy is left.
 */
export async function stageBackup(
  source: string,
  staged: string,
  { masterKey, actor }: { masterKey: Uint8Array; actor: string },
): Promise<void> {
  if (!statSync(source, { throwIfNoEntry: false })?.isFile()) throw noLedger(source, 'there is no such file');
  removeDatabase(staged);
  try {
    copyFileSync(source, staged);
    // A copy of a ledger that was made by other means may have its last commits there.
    if (existsSync(`${source}-wal`)) copyFileSync(`${source}-wal`, `${staged}-wal`);
    checkLedger(source, staged);
    const { ledger } = openSqliteLedger({ path: staged, masterKey });
    try {
      await ledger.appendAudit({ actor, action: 'ledger.restore', subject: 'ledger', details: {} });
    } finally {
      await ledger.close();
    }
    await syncToDisk(staged);
  } catch (error) {
    removeDatabase(staged);
    throw fromSqliteError(error);
  }
}

/** Before it is opened as a ledger, which would make one of an empty file. */
function checkLedger(source: string, staged: string): void {
  const database = new DatabaseSync(staged);
  try {
    const isLedger = database
      .prepare("select 1 from sqlite_master where type = 'table' and name in ('schema_version', 'master_key') limit 2")
      .all();
    if (isLedger.length < 2) throw noLedger(source, 'it has no tables of one');
    const [verdict] = database.prepare('pragma quick_check(1)').all();
    if (verdict?.['quick_check'] !== 'ok') throw damaged(source);
  } finally {
    database.close();
  }
}

function noLedger(source: string, why: string): HoldfastError {
  return new HoldfastError('invalid_request', `${source} is no ledger of Holdfast: ${why}.`);
}

function damaged(source: string): HoldfastError {
  return new HoldfastError('engine_unavailable', `${source} is damaged. Restore an older backup.`);
}
