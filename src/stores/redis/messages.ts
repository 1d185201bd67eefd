/** What nodes say to each other: notes to all by publish/subscribe, and sealed batches into the inbox of one. */
import type { BusMessage } from '../../core/ports/stream-bus.ts';
import { openSalted, sealSalted } from '../crypto/salted-seal.ts';

/** Notes hold ids only. */
export type BusNote =
  /** `node` follows the call, and nobody there runs it. `again`: it has missed something. */
  { type: 'want'; call: string; node: string; again: boolean } | { type: 'cancel'; call: string };

/** Text of prompts' answers: it is sealed, for this call only. */
export function sealBatch(key: Uint8Array, callId: string, batch: readonly BusMessage[]): Buffer {
  return Buffer.from(sealSalted(key, context(callId), Buffer.from(JSON.stringify(batch))));
}

/** @throws Error when the bytes were changed or belong elsewhere. */
export function openBatch(key: Uint8Array, callId: string, sealed: Uint8Array): BusMessage[] {
  return JSON.parse(Buffer.from(openSalted(key, context(callId), sealed)).toString('utf8')) as BusMessage[];
}

/** Null for what no node says. */
export function parseNote(text: string): BusNote | null {
  try {
    const note = JSON.parse(text) as Partial<BusNote> | null;
    if (note?.type === 'cancel' && typeof note.call === 'string') return { type: 'cancel', call: note.call };
    if (note?.type !== 'want' || typeof note.call !== 'string' || typeof note.node !== 'string') return null;
    return { type: 'want', call: note.call, node: note.node, again: note.again === true };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

const context = (callId: string) => `bus/${callId}`;
