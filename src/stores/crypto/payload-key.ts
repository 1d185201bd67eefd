/** A data key as it is used: the name of a content, its sealing, and where a long one is cut. */
import { createHmac, createSecretKey } from 'node:crypto';
import { deriveKey } from './derive-key.ts';
import { open, seal } from './seal.ts';
import { createCutTable, splitContent, type CutTable } from './split-content.ts';

/** What a reference names: `p` a content, `m1` the list of the parts that make one up, `m2` the list of the parts of such a list. */
export type RefKind = 'p' | `m${number}`;

export interface PayloadKey {
  readonly id: string;
  /** Names the content under this key: another key gives another reference, so two scopes never share a payload. */
  nameOf(kind: RefKind, bytes: Uint8Array): string;
  /** The name is authenticated with it. */
  seal(ref: string, bytes: Uint8Array): Uint8Array;
  /** @throws Error when the bytes do not belong to the reference, or were sealed with another key. */
  open(ref: string, sealed: Uint8Array): Uint8Array;
  split(bytes: Uint8Array): Uint8Array[];
}

export function createPayloadKey(id: string, dataKey: Uint8Array): PayloadKey {
  const contentKey = createSecretKey(deriveKey(dataKey, 'payloads'));
  const refKey = createSecretKey(deriveKey(dataKey, 'payload-refs'));
  const cutKey = deriveKey(dataKey, 'payload-cuts');
  let cuts: CutTable | null = null;
  // A key for each content, so that the limit of random nonces under one key is never near.
  const keyOf = (ref: string): Uint8Array => createHmac('sha256', contentKey).update(ref).digest();
  return {
    id,
    nameOf: (kind, bytes) => `${kind}_${createHmac('sha256', refKey).update(kind).update(bytes).digest('base64url')}`,
    seal: (ref, bytes) => seal(keyOf(ref), ref, bytes),
    open: (ref, sealed) => open(keyOf(ref), ref, sealed),
    split: (bytes) => splitContent(bytes, (cuts ??= createCutTable(cutKey))),
  };
}
