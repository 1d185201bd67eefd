/**
 * A new master key for a home: secrets file, ledger, key file, in steps that each happen whole or not at all. Up to the
 * ledger's step the home opens with the old key, from then on with the new one; run again, it goes on where it was cut off.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.ts';
import type { LedgerStore } from '../core/settings.ts';
import { createEncryptedSecretFile } from '../stores/files/encrypted-secret-file.ts';
import { rekeySecretFile } from '../stores/files/rekey-secret-file.ts';
import { writeFileAtomic } from '../stores/files/write-file-atomic.ts';
import type { LedgerStores } from '../stores/sql/sql-ledger.ts';
import { ledgerPath, openLedger } from './open-ledger.ts';

export type RekeyStep = 'secrets-prepared' | 'ledger-changed' | 'secrets-finished' | 'key-file-written';

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
  const keys = await changeLedger(options);
  onStep('ledger-changed');
  secrets.finish();
  onStep('secrets-finished');
  if (keyFile !== null) writeFileAtomic(keyFile, `${Buffer.from(next).toString('base64')}\n`);
  onStep('key-file-written');
  return { keys };
}

async function changeLedger(options: RekeyMasterOptions): Promise<number> {
  const { home, store, current, next, actor } = options;
  if (Buffer.compare(current, next) === 0) return 0;
  if (store.kind === 'sqlite' && !existsSync(ledgerPath(home))) return 0;
  const opened = await openWith(options, current).catch(async (error: unknown) => {
    // An earlier run was cut short after this step: then the ledger opens with the new key.
    if (!HoldfastError.is(error)) throw error;
    const finished = await openWith(options, next).catch(() => null);
    if (!finished) throw error;
    await finished.ledger.close();
    return null;
  });
  if (!opened) return 0;
  try {
    const keys = await opened.keys.changeMasterKey(next, actor);
    await opened.keys.overwriteOld();
    return keys;
  } finally {
    await opened.ledger.close();
  }
}

function openWith({ home, store, env }: RekeyMasterOptions, masterKey: Uint8Array): Promise<LedgerStores> {
  const secrets = createEncryptedSecretFile({ path: join(home, 'secrets.json'), masterKey });
  return openLedger({ store, home, masterKey, secrets, env });
}
