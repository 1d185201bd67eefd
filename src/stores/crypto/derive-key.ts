import { hkdfSync } from 'node:crypto';

/**
 * What a derived key may be used for. One use never shares a key with another. Those of payloads are
 * derived from a data key, the others from the master key.
 */
export type KeyUse =
  | 'payloads'
  | 'payload-refs'
  | 'payload-cuts'
  | 'data-keys'
  | 'histories'
  | 'secrets'
  | 'master-key-check'
  | 'bus'
  | 'fleet-name';

export const KEY_BYTES = 32;

/** A 32-byte key for one use (HKDF-SHA256; the use stands in `info`). */
export function deriveKey(key: Uint8Array, use: KeyUse): Buffer {
  return Buffer.from(hkdfSync('sha256', key, new Uint8Array(), `holdfast/v1/${use}`, KEY_BYTES));
}
