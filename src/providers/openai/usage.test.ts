import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Usage } from '../../core/usage.ts';
import { readOpenAiUsage, writeOpenAiUsage } from './usage.ts';

test('cached, written, audio and reasoning tokens are taken out of the counts that include them', () => {
  const usage = readOpenAiUsage({
    prompt_tokens: 1000,
    completion_tokens: 100,
    total_tokens: 1100,
    prompt_tokens_details: { cached_tokens: 400, cache_write_tokens: 50, audio_tokens: 30 },
    completion_tokens_details: { reasoning_tokens: 60, audio_tokens: 10 },
  });
  expect(usage).toEqual({
    inputTokens: 520,
    cacheReadTokens: 400,
    cacheWriteTokens: 50,
    inputAudioTokens: 30,
    outputTokens: 30,
    reasoningTokens: 60,
    outputAudioTokens: 10,
  });
});

test('reasoning counted beside the completion is seen by the total', () => {
  const usage = readOpenAiUsage({
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 115,
    completion_tokens_details: { reasoning_tokens: 100 },
  });
  expect(usage).toMatchObject({ outputTokens: 5, reasoningTokens: 100 });
});

test('thinking that is told by the total alone is counted', () => {
  expect(readOpenAiUsage({ prompt_tokens: 10, completion_tokens: 9, total_tokens: 1_019 })).toMatchObject({
    inputTokens: 10,
    outputTokens: 9,
    reasoningTokens: 1_000,
  });
});

test('nonsense never gives a negative or fractional count', () => {
  const nonsense = fc.dictionary(fc.constantFrom('prompt_tokens', 'completion_tokens', 'total_tokens'), fc.jsonValue());
  fc.assert(
    fc.property(nonsense, fc.jsonValue(), (raw, details) => {
      const json = JSON.parse(JSON.stringify({ ...raw, prompt_tokens_details: details })) as Record<string, never>;
      for (const count of Object.values(readOpenAiUsage(json)))
        expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
    }),
  );
});

test('what is written reads back', () => {
  const count = fc.nat({ max: 10_000_000 });
  const usage: fc.Arbitrary<Usage> = fc.record({
    inputTokens: count,
    cacheReadTokens: count,
    cacheWriteTokens: count,
    outputTokens: count,
    reasoningTokens: count,
    inputAudioTokens: count,
    outputAudioTokens: count,
  });
  fc.assert(
    fc.property(usage, (one) => {
      expect(readOpenAiUsage(writeOpenAiUsage(one))).toEqual(one);
    }),
  );
});
