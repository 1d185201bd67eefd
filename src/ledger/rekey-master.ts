/**
 * A new master key for a home: secrets file, key on disk, ledger, secrets file again, key file, in steps that each happen
 * whole or not at all. Up to the ledger's step the home opens with the old key, from then on with the new one, which is in
 * `master.key.next` before anything hangs on it; run again, the change goes on where it was cut off.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.ts';
import type { LedgerStore } from '../core/settings.ts';
import { forgetNextMasterKey, nextMasterKeyFile } from '../stores/crypto/master-key.ts';
import { createEncryptedSecretFile } from '../stores/files/encrypted-secret-file.ts';
import { rekeySecretFile } from '../stores/files/rekey-secret-file.ts';
import { writeFileAtomic } from '../stores/files/write-file-atomic.ts';
import type { LedgerStores } from '../stores/sql/sql-ledger.ts';
import { ledgerPath, openLedger } from './open-ledger.ts';

export type RekeyStep = 'secrets-prepared' | 'key-kept' | 'ledger-changed' | 'secrets-finished' | 'key-file-written';

export interface RekeyMasterOptions {
  home: string;
  store: LedgerStore;
  env: Readonly<Record<string, string | undefined>>;
  current: Uint8Array;
  next: Uint8Array;
  /** Where the current key was read from, to be replaced; null when it is in the environment. */
  keyFile: string | null;
  actor: string;
  /** Told after each step. */
  onStep?(step: RekeyStep): void;
}

export interface RekeyMasterReport {
  /** Keys of the ledger that were wrapped anew; 0 when an earlier run had done it, or there is no ledger yet. */
  keys: number;
}

export async function rekeyMaster(options: RekeyMasterOptions): Promise<RekeyMasterReport> {
  const { home, current, next, keyFile, onStep = () => undefined } = options;
  const secrets = rekeySecretFile(join(home, 'secrets.json'), current, next);
  secrets.prepare();
  onStep('secrets-prepared');
  const opened = await openEither(options);
  let keys = 0;
  try {
    // Only now: a key that is kept there already may go, for secrets and ledger open without it.
    if (Buffer.compare(current, next) !== 0) writeKey(nextMasterKeyFile(home), next);
    onStep('key-kept');
    if (opened?.by === 'current') keys = await opened.stores.keys.changeMasterKey(next, options.actor);
    onStep('ledger-changed');
    await opened?.stores.keys.overwriteOld();
  } finally {
    await opened?.stores.ledger.close();
  }
  secrets.finish();
  onStep('secrets-finished');
  if (keyFile !== null) {
    writeKey(keyFile, next);
    forgetNextMasterKey(home, next);
  }
  onStep('key-file-written');
  return { keys };
}

function writeKey(path: string, key: Uint8Array): void {
  writeFileAtomic(path, `${Buffer.from(key).toString('base64')}\n`);
}

/** The ledger, by the key that opens it: the new one where an earlier run was cut short after the ledger's step. */
async function openEither(
  options: RekeyMasterOptions,
): Promise<{ stores: LedgerStores; by: 'current' | 'next' } | null> {
  const { home, store, current, next } = options;
  if (store.kind === 'sqlite' && !existsSync(ledgerPath(home))) return null;
  const isSame = Buffer.compare(current, next) === 0;
  try {
    return { stores: await openWith(options, current), by: isSame ? 'next' : 'current' };
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    return { stores: await openWithNext(options, error), by: 'next' };
  }
}

/** @throws HoldfastError why the current key did not open it, with why the new one did not either as its cause. */
async function openWithNext(options: RekeyMasterOptions, refusal: HoldfastError): Promise<LedgerStores> {
  try {
    return await openWith(options, options.next);
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    refusal.cause = error;
    throw refusal;
  }
}

function openWith({ home, store, env }: RekeyMasterOptions, masterKey: Uint8Array): Promise<LedgerStores> {
  const secrets = createEncryptedSecretFile({ path: join(home, 'secrets.json'), masterKey });
  return openLedger({ store, home, masterKey, secrets, env });
}
