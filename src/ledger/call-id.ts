import { createHash, randomBytes } from 'node:crypto';

const CALL_PREFIX = 'call_';
const ID_BYTES = 18;

/** A new call id: `call_` and 144 random bits, safe in URLs and workflow ids. */
export function newCallId(): string {
  return CALL_PREFIX + randomBytes(ID_BYTES).toString('base64url');
}

/** A tenant's name as it goes into call ids: the name itself cannot be read from it. */
export function tenantHandle(tenant: string): string {
  return createHash('sha256').update(tenant).digest('hex').slice(0, 16);
}

/**
 * The call id that an idempotency key stands for, for the tenant of this `tenantHandle`. Depends on nothing but its arguments, so a client without access to
 * the ledger derives the same one. Generations count from 1.
 */
export function deriveCallId(handle: string, key: string, generation: number): string {
  const source = JSON.stringify([handle, key, generation]);
  return CALL_PREFIX + createHash('sha256').update(source).digest().subarray(0, ID_BYTES).toString('base64url');
}
