import { createHash, randomBytes } from 'node:crypto';

const KEY_PREFIX = 'hk_';
const HASH_PREFIX = 'hk1:';
const KEY_BYTES = 32;

/** A new virtual key: `hk_` and 32 random bytes. It is shown once; only its hash is kept. */
export function generateVirtualKey(): string {
  return KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
}

/**
 * `hk1:` and the hex of the SHA-256 of the key: what the configuration and the ledger hold. A plain hash is enough
 * because the key is 32 random bytes: there is nothing to guess.
 */
export function hashVirtualKey(key: string): string {
  return HASH_PREFIX + createHash('sha256').update(key).digest('hex');
}
