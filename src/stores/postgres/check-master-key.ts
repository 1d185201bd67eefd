import { sql } from 'kysely';
import { HoldfastError } from '../../core/errors.ts';
import { masterKeyFingerprint } from '../crypto/master-key-fingerprint.ts';
import type { Database } from '../sql/schema.ts';

/**
 * Ties a new ledger to its master key, and compares it from then on: all nodes of a fleet must have the same one, or each
 * could not read what the others stored.
 */
export async function checkMasterKey(db: Database, masterKey: Uint8Array): Promise<void> {
  const fingerprint = masterKeyFingerprint(masterKey);
  const known = await db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      await sql`lock table master_key in exclusive mode`.execute(tx);
      await sql`insert into master_key (fingerprint) select ${fingerprint}
        where not exists (select 1 from master_key)`.execute(tx);
      const { rows } = await sql<{ fingerprint: string }>`select fingerprint from master_key`.execute(tx);
      return rows.map((row) => row.fingerprint);
    });
  if (known.length === 1 && known[0] === fingerprint) return;
  throw new HoldfastError(
    'engine_unavailable',
    'The master key is not the one that this ledger was made with. Give every node the same key in ' +
      'HOLDFAST_MASTER_KEY. Where master.key.next is in the home, a change of the key was cut short: run ' +
      '`holdfast secrets rekey --master` again.',
  );
}
