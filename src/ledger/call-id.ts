import { createHash, randomBytes } from 'node:crypto';

const CALL_PREFIX = 'call_';
const ID_BYTES = 18;

/** A new call id: `call_` and 144 random bits, safe in URLs and workflow ids. */
export function newCallId(): string {
  return CALL_PREFIX + randomBytes(ID_BYTES).toString('base64url');
}

/**
 * The call id that an idempotency key stands for. Depends on nothing but its arguments, so a client without access to
 * the ledger derives the same one. Generations count from 1.
 */
export function deriveCallId(tenantHandle: string, key: string, generation: number): string {
  const source = JSON.stringify([tenantHandle, key, generation]);
  return CALL_PREFIX + createHash('sha256').update(source).digest().subarray(0, ID_BYTES).toString('base64url');
}
