/** The key of histories: derived from the master key, so that a process without the ledger can have it too. */
import { createHash } from 'node:crypto';
import { deriveKey } from './derive-key.ts';
import { openSalted, sealSalted } from './salted-seal.ts';

/** Fits `HistoryKey` of the codec. */
export interface HistorySealer {
  readonly id: string;
  seal(context: string, bytes: Uint8Array): Uint8Array;
  open(context: string, sealed: Uint8Array): Uint8Array;
}

/** The 32 bytes; the master key cannot be had from them. */
export function historyKeyBytes(masterKey: Uint8Array): Uint8Array {
  return deriveKey(masterKey, 'histories');
}

/** The id tells nothing of the key. */
export function createHistorySealer(key: Uint8Array): HistorySealer {
  const id = `hist_${createHash('sha256').update('holdfast/history-key-id').update(key).digest('base64url').slice(0, 16)}`;
  return {
    id,
    seal: (context, bytes) => sealSalted(key, context, bytes),
    open: (context, sealed) => openSalted(key, context, sealed),
  };
}
