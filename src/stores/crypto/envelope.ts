import { randomBytes } from 'node:crypto';
import { KEY_BYTES } from './derive-key.ts';
import { open, seal } from './seal.ts';

const VERSION = 1;
/** A sealed 32-byte key: version, nonce, key, tag. */
const WRAPPED_KEY_BYTES = 1 + 12 + KEY_BYTES + 16;

/**
 * Envelope: `version | data key sealed by the wrapping key | plaintext sealed by the data key`. Each value has a random
 * data key, so the wrapping key can be changed by sealing a few bytes again. `context` names what the value belongs to;
 * the envelope opens nowhere else.
 */
export function sealEnvelope(wrappingKey: Uint8Array, context: string, plaintext: Uint8Array): Uint8Array {
  const dataKey = randomBytes(KEY_BYTES);
  const wrapped = seal(wrappingKey, context, dataKey);
  return Buffer.concat([Uint8Array.of(VERSION), wrapped, seal(dataKey, context, plaintext)]);
}

/** @throws Error when the bytes were changed, belong to another context, or were sealed with another key. */
export function openEnvelope(wrappingKey: Uint8Array, context: string, envelope: Uint8Array): Uint8Array {
  if (envelope[0] !== VERSION) throw new Error(`the envelope has the unknown format ${String(envelope[0])}`);
  const dataKey = open(wrappingKey, context, envelope.subarray(1, 1 + WRAPPED_KEY_BYTES));
  return open(dataKey, context, envelope.subarray(1 + WRAPPED_KEY_BYTES));
}
