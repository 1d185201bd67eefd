import { deriveKey } from './derive-key.ts';

/** What a ledger knows its master key by: a key that nothing else uses, for it stands there in the open. */
export function masterKeyFingerprint(masterKey: Uint8Array): string {
  return deriveKey(masterKey, 'master-key-check').toString('base64url');
}
