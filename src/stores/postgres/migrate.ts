import { sql } from 'kysely';
import { HoldfastError } from '../../core/errors.ts';
import type { Database, Tx } from '../sql/schema.ts';
import { migrations } from './migrations.ts';

const LOCK = 'holdfast schema';
/** For a table that running nodes use: what they ask of it meanwhile waits in line behind the upgrade. */
const TABLE_LOCK_MS = 5_000;

/**
 * Brings the schema up to date in one transaction. Nodes that start together do it one after the other; how long one waits
 * for another is up to its connection.
 * @throws HoldfastError `engine_unavailable` when a newer version wrote the schema.
 */
export async function migrate(db: Database, steps: readonly string[] = migrations): Promise<void> {
  await db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${LOCK}, 0))`.execute(tx);
      await sql`select set_config('lock_timeout', ${String(TABLE_LOCK_MS)}, true)`.execute(tx);
      await sql`create table if not exists schema_version (version integer not null)`.execute(tx);
      const found = await schemaVersion(tx);
      refuseNewerSchema(found, steps.length);
      for (const [index, step] of steps.entries()) {
        if (index < found) continue;
        await sql.raw(step).execute(tx);
        await sql`insert into schema_version (version) values (${index + 1})`.execute(tx);
      }
    });
}

/** 0 for a database without a ledger. */
export async function schemaVersion(tx: Tx | Database): Promise<number> {
  const table = await sql<{ name: string | null }>`select to_regclass('schema_version')::text as name`.execute(tx);
  if (table.rows[0]?.name == null) return 0;
  const { rows } = await sql<{ version: number | null }>`select max(version) as version from schema_version`.execute(
    tx,
  );
  return rows[0]?.version ?? 0;
}

export function refuseNewerSchema(found: number, known = migrations.length): void {
  if (found <= known) return;
  throw new HoldfastError(
    'engine_unavailable',
    `The ledger has schema version ${String(found)}, but this Holdfast knows versions up to ${String(known)}. ` +
      'Start the newer Holdfast that wrote it, or restore a backup made before the upgrade.',
  );
}

/** For those who only look: the ledger must be there, and of this version. */
export function refuseOtherSchema(found: number): void {
  refuseNewerSchema(found);
  if (found === migrations.length) return;
  if (found === 0) {
    throw new HoldfastError(
      'not_found',
      'There is no ledger in this database. Start a node once, or make it: `holdfast ledger upgrade`.',
    );
  }
  throw new HoldfastError(
    'engine_unavailable',
    `The ledger has schema version ${String(found)}, and this Holdfast works with ${String(migrations.length)}. ` +
      'Upgrade it: `holdfast ledger upgrade`. Nodes of the older version do not start on it any more.',
  );
}
