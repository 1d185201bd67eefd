import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countTextTokens, estimateInputTokens } from './estimate-tokens.ts';

test('counts as o200k does', () => {
  expect(countTextTokens('')).toBe(0);
  expect(countTextTokens('hello world')).toBe(2);
});

test('special tokens in a prompt are plain text', () => {
  expect(countTextTokens('<|endoftext|><|im_start|>')).toBeGreaterThan(2);
});

test('a hundred thousand unbroken characters take no longer than a moment', () => {
  countTextTokens('warm');
  const startedAt = performance.now();
  for (const run of ['漢字'.repeat(50_000), 'a'.repeat(100_000), '='.repeat(100_000)]) countTextTokens(run);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

test('a very long text is sampled, and near the true count', () => {
  const words = 'The quick brown fox jumps over the lazy dog. ';
  const whole = countTextTokens(words.repeat(10_000));
  const sampled = countTextTokens(words.repeat(40_000));
  expect(Math.abs(sampled / (4 * whole) - 1)).toBeLessThan(0.02);
});

test('slicing costs at most a token a cut', () => {
  const words = 'word '.repeat(2_000);
  expect(countTextTokens(words)).toBeLessThanOrEqual(2_000 + words.length / 512 + 1);
});

test('a request counts its messages, tools and schema, and images by a flat figure', () => {
  const plain = estimateInputTokens({ messages: [{ role: 'user', content: 'hello world' }] });
  expect(plain).toBe(3 + 4 + 2);
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(1_000_000)}` } };
  const content = [{ type: 'text', text: 'hello world' }, image];
  expect(estimateInputTokens({ messages: [{ role: 'user', content }] })).toBe(plain + 1_600);
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
  expect(estimateInputTokens({ messages: [{ role: 'user', content: 'hello world' }], tools })).toBeGreaterThan(
    plain + 5,
  );
});

test('an embeddings request counts its input in each of its forms', () => {
  expect(estimateInputTokens({ input: 'hello world' })).toBe(2);
  expect(estimateInputTokens({ input: ['hello world', 'hello world'] })).toBe(4);
  expect(estimateInputTokens({ input: [1, 2, 3] })).toBe(3);
  expect(estimateInputTokens({ input: [[1, 2], [3]] })).toBe(3);
});

test('any JSON gives a count and no error', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const body = JSON.parse(JSON.stringify({ messages: [value], tools: value })) as Record<string, never>;
      expect(estimateInputTokens(body)).toBeGreaterThanOrEqual(3);
    }),
    { numRuns: 50 },
  );
});
