import type { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../../core/errors.ts';
import { migrations } from './migrations.ts';

/**
 * Brings the schema up to date in one transaction.
 * @throws HoldfastError `engine_unavailable` when the file was written by a newer version.
 */
export function migrate(database: DatabaseSync, steps: readonly string[] = migrations): void {
  database.exec('begin immediate');
  try {
    database.exec('create table if not exists schema_version (version integer not null) strict');
    const found = Number(
      database.prepare('select max(version) as version from schema_version').get()?.['version'] ?? 0,
    );
    if (found > steps.length) throw newerSchema(found, steps.length);
    for (const [index, step] of steps.entries()) {
      if (index < found) continue;
      database.exec(step);
      database.prepare('insert into schema_version (version) values (?)').run(index + 1);
    }
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
}

function newerSchema(found: number, known: number): HoldfastError {
  return new HoldfastError(
    'engine_unavailable',
    `The ledger has schema version ${found}, but this Holdfast knows versions up to ${known}. ` +
      'Start the newer Holdfast that wrote it, or restore a backup made before the upgrade.',
  );
}
