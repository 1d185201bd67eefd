import { hkdfSync } from 'node:crypto';

/** What a key derived from the master key may be used for. One use never shares a key with another. */
export type KeyUse =
  'payloads' | 'payload-refs' | 'secrets' | 'fingerprint' | 'master-key-check' | 'bus' | 'fleet-name';

export const KEY_BYTES = 32;

/** A 32-byte key for one use (HKDF-SHA256; the use stands in `info`). */
export function deriveKey(masterKey: Uint8Array, use: KeyUse): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, new Uint8Array(), `holdfast/v1/${use}`, KEY_BYTES));
}
