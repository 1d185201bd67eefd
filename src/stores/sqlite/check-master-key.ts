import type { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../../core/errors.ts';
import { masterKeyFingerprint } from '../crypto/master-key-fingerprint.ts';

/**
 * Ties a new ledger to its master key, and compares it from then on. Without this a lost key file would be replaced by
 * a new one in silence, and every stored request be lost at the next read.
 */
export function checkMasterKey(database: DatabaseSync, masterKey: Uint8Array): void {
  const fingerprint = masterKeyFingerprint(masterKey);
  database
    .prepare('insert into master_key (fingerprint) select ? where not exists (select 1 from master_key)')
    .run(fingerprint);
  const known = database.prepare('select fingerprint from master_key').get()?.['fingerprint'];
  if (known === fingerprint) return;
  throw new HoldfastError(
    'engine_unavailable',
    'The master key is not the one that this ledger was made with. Put the right key back in HOLDFAST_MASTER_KEY or ' +
      'master.key, or use another HOLDFAST_HOME. Where master.key.next is in the home, a change of the key was cut ' +
      'short: run `holdfast secrets rekey --master` again.',
  );
}
