import { sql } from 'kysely';
import { HoldfastError } from '../../core/errors.ts';
import { masterKeyFingerprint } from '../crypto/master-key-fingerprint.ts';
import type { Database, MasterKeyTable } from '../sql/schema.ts';

/**
 * Ties a new ledger to its master key, and compares it from then on: all nodes of a fleet must have the same one, or each
 * could not read what the others stored.
 */
export async function checkMasterKey(db: Database, masterKey: Uint8Array): Promise<void> {
  const fingerprint = masterKeyFingerprint(masterKey);
  // Waits for who changes it, and for nobody else.
  let { rows: known } = await sql<MasterKeyTable>`select fingerprint from master_key for share`.execute(db);
  if (known.length === 0) {
    known = await db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        await sql`lock table master_key in exclusive mode`.execute(tx);
        await sql`insert into master_key (fingerprint) select ${fingerprint}
          where not exists (select 1 from master_key)`.execute(tx);
        return (await sql<MasterKeyTable>`select fingerprint from master_key`.execute(tx)).rows;
      });
  }
  if (known.length === 1 && known[0]?.fingerprint === fingerprint) return;
  throw new HoldfastError(
    'engine_unavailable',
    'The master key is not the one that this ledger was made with. Give every node the same key in ' +
      'HOLDFAST_MASTER_KEY. Where master.key.next is in the home, a change of the key was cut short: run ' +
      '`holdfast secrets rekey --master` again.',
  );
}
