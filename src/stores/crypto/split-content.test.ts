import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCutTable, splitContent } from './split-content.ts';

const table = createCutTable(new Uint8Array(32).fill(1));
const hex = (chunks: readonly Uint8Array[]) => chunks.map((chunk) => Buffer.from(chunk).toString('hex'));

test('the chunks of any content are the content', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30_000 }), (bytes) => {
      expect(Buffer.concat(splitContent(bytes, table)).equals(bytes)).toBe(true);
    }),
    { numRuns: 50 },
  );
  expect(splitContent(new Uint8Array(), table)).toEqual([]);
});

test('chunks are bounded, also where all bytes are alike, and about 8 KiB on average', () => {
  const sizes = splitContent(randomBytes(2_000_000), table).map(({ length }) => length);
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(4 * 1024);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(16 * 1024);
  expect(sizes.length).toBeGreaterThan(200);
  expect(sizes.length).toBeLessThan(320);
  expect(splitContent(new Uint8Array(1_000_000), table).every(({ length }) => length <= 16 * 1024)).toBe(true);
});

test('a content that goes on shares all chunks but the last, one that begins otherwise the later ones', () => {
  const content = randomBytes(400_000);
  const before = hex(splitContent(content, table));
  const longer = new Set(hex(splitContent(Buffer.concat([content, randomBytes(3_000)]), table)));
  expect(before.filter((chunk) => !longer.has(chunk)).length).toBeLessThanOrEqual(1);
  const moved = new Set(hex(splitContent(Buffer.concat([randomBytes(777), content]), table)));
  expect(before.filter((chunk) => !moved.has(chunk)).length).toBeLessThan(before.length / 4);
});

test('another key cuts elsewhere', () => {
  const content = randomBytes(200_000);
  const other = createCutTable(new Uint8Array(32).fill(2));
  expect(hex(splitContent(content, other))).not.toEqual(hex(splitContent(content, table)));
});
