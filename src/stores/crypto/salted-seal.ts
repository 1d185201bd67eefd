/**
 * Sealing under a key that lives long and seals much: each message gets a key of its own, made from a random salt that
 * stands in front. Random nonces under one AES-GCM key are safe for some 2^32 messages only.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { open, seal } from './seal.ts';

/** `seal` writes 1. */
const VERSION = 2;
const SALT_BYTES = 16;
const HEADER_BYTES = 1 + SALT_BYTES;

/** `version | salt | sealed bytes`. `context` is authenticated with them: they open nowhere else. */
export function sealSalted(key: Uint8Array, context: string, plaintext: Uint8Array): Uint8Array {
  const salt = randomBytes(SALT_BYTES);
  return Buffer.concat([Uint8Array.of(VERSION), salt, seal(keyOf(key, salt), context, plaintext)]);
}

/** @throws Error when the bytes were changed, belong to another context, or were sealed with another key. */
export function openSalted(key: Uint8Array, context: string, sealed: Uint8Array): Uint8Array {
  if (sealed[0] !== VERSION) throw new Error(`the sealed bytes have the unknown format ${String(sealed[0])}`);
  return open(keyOf(key, sealed.subarray(1, HEADER_BYTES)), context, sealed.subarray(HEADER_BYTES));
}

function keyOf(key: Uint8Array, salt: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(salt).digest();
}
