/** A data key as it is used: the name of a content, and its sealing. */
import { createHmac, createSecretKey } from 'node:crypto';
import { deriveKey } from './derive-key.ts';
import { open, seal } from './seal.ts';

export interface SealedContent {
  ref: string;
  sealed: Uint8Array;
}

export interface PayloadKey {
  readonly id: string;
  /** Names the content under this key: another key gives another reference, so two scopes never share a payload. */
  seal(bytes: Uint8Array): SealedContent;
  /** Seals under a name that was given before. */
  sealAs(ref: string, bytes: Uint8Array): Uint8Array;
  /** @throws Error when the bytes do not belong to the reference, or were sealed with another key. */
  open(ref: string, sealed: Uint8Array): Uint8Array;
}

export function createPayloadKey(id: string, dataKey: Uint8Array): PayloadKey {
  const contentKey = createSecretKey(deriveKey(dataKey, 'payloads'));
  const refKey = createSecretKey(deriveKey(dataKey, 'payload-refs'));
  // A key for each content, so that the limit of random nonces under one key is never near.
  const keyOf = (ref: string): Uint8Array => createHmac('sha256', contentKey).update(ref).digest();
  const sealAs = (ref: string, bytes: Uint8Array) => seal(keyOf(ref), ref, bytes);
  return {
    id,
    seal(bytes) {
      const ref = `p_${createHmac('sha256', refKey).update(bytes).digest('base64url')}`;
      return { ref, sealed: sealAs(ref, bytes) };
    },
    sealAs,
    open: (ref, sealed) => open(keyOf(ref), ref, sealed),
  };
}
