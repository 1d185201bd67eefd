/**
 * Content-defined chunks: where a long content is cut depends on the bytes around the cut only, so that two contents with a
 * long part in common share its chunks, wherever it stands in them. The cuts depend on a key too: sizes that anyone could
 * compute would tell what is stored.
 */
import { createHash } from 'node:crypto';

/** For each value of a byte, 32 bits. */
export type CutTable = Uint32Array;

const MIN_BYTES = 4 * 1024;
const MAX_BYTES = 16 * 1024;
/** A cut where the top 12 bits of the rolling hash are 0: every 4 KiB beyond the minimum, on average. */
const SHIFT = 32 - 12;

export function createCutTable(key: Uint8Array): CutTable {
  const bytes = createHash('shake256', { outputLength: 1024 }).update(key).digest();
  return Uint32Array.from({ length: 256 }, (_, index) => bytes.readUInt32LE(index * 4));
}

export function splitContent(bytes: Uint8Array, table: CutTable): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = endOfChunk(bytes, start, table);
    chunks.push(bytes.subarray(start, end));
    start = end;
  }
  return chunks;
}

function endOfChunk(bytes: Uint8Array, start: number, table: CutTable): number {
  const last = Math.min(start + MAX_BYTES, bytes.length);
  let hash = 0;
  for (let index = start + MIN_BYTES; index < last; index += 1) {
    // Each step pushes the oldest byte out of the 32 bits: the hash is of the last 32 bytes.
    hash = ((hash << 1) + (table[bytes[index] ?? 0] ?? 0)) | 0;
    if (hash >>> SHIFT === 0) return index + 1;
  }
  return last;
}
