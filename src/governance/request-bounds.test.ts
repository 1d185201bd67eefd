import fc from 'fast-check';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../core/json.ts';
import { maxInputTokens, maxOutputTokens } from './request-bounds.ts';

const NO_SPECIAL_TOKENS = { disallowedSpecial: new Set<string>() };
const tokensOf = (text: string) => encode(text, NO_SPECIAL_TOKENS).length;
const chat = (content: Json, extra: JsonObject = {}): JsonObject => ({
  messages: [{ role: 'user', content }],
  ...extra,
});

describe('the bound on input tokens', () => {
  it('holds against the tokenizer for any unicode, in any number of messages', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.stringMatching(/^[\u4e00-\u9fff\ud7b0-\ud7ff\u{1f300}-\u{1faff}\u{20000}-\u{2a6df}]{0,200}$/u),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), (texts) => {
        const messages = texts.map((content) => ({ role: 'user', content }));
        const counted = texts.reduce((sum, content) => sum + tokensOf(content) + 4, 3);
        expect(maxInputTokens({ messages })).toBeGreaterThanOrEqual(counted);
      }),
      { numRuns: 300 },
    );
  });

  it('holds for tools and schemas of any JSON, as the JSON that a provider shows the model', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' }), (value) => {
        const tools = [{ type: 'function', function: { name: 'f', parameters: value } }];
        const counted = tokensOf(JSON.stringify(tools));
        expect(maxInputTokens({ messages: [], tools })).toBeGreaterThanOrEqual(counted);
      }),
      { numRuns: 300 },
    );
  });

  it.each<[string, JsonObject]>([
    ['a long list of short names', { required: Array.from({ length: 5_000 }, () => 'a') }],
    ['many large numbers', { enum: Array.from({ length: 1_000 }, () => 123_456_789_012_345) }],
    ['keys of rare characters', Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`鿋龘𪚥${String(n)}`, 1]))],
    ['many nulls', { enum: Array.from({ length: 5_000 }, () => null) }],
  ])('holds for %s', (_, parameters) => {
    const tools = [{ type: 'function', function: { name: 'f', parameters } }];
    expect(maxInputTokens({ messages: [], tools })).toBeGreaterThanOrEqual(tokensOf(JSON.stringify(tools)));
  });

  it.each(['𪚥', '鿋', '\u{12000}', 'ꙮ', '👩🏽‍🚀'])(
    'holds for a long text of %s, of which one character may be several tokens',
    (rare) => {
      const content = rare.repeat(2_000);
      expect(maxInputTokens(chat(content))).toBeGreaterThanOrEqual(tokensOf(rare) * 2_000);
    },
  );

  it('counts an image once, and not by the length of its base64', () => {
    const image = (data: string) => [{ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }];
    const large = maxInputTokens(chat(image('A'.repeat(1_000_000))));
    expect(large).toBe(maxInputTokens(chat(image('A'))));
    expect(large).toBeGreaterThanOrEqual(6_000);
  });

  it('counts text that only begins like an image', () => {
    expect(maxInputTokens(chat(`data:;base64,${'word '.repeat(10_000)}`))).toBeGreaterThan(50_000);
  });

  it('counts embeddings input, as text and as tokens', () => {
    expect(maxInputTokens({ input: ['x'.repeat(1_000), 'y'] })).toBeGreaterThanOrEqual(1_001);
    expect(maxInputTokens({ input: [[1, 2, 3], Array.from({ length: 2_000 }, () => 50_000)] })).toBeGreaterThan(2_003);
  });

  it('leaves out fields that no model reads', () => {
    expect(maxInputTokens(chat('x', { user: 'u'.repeat(10_000), metadata: { a: 'b'.repeat(10_000) } }))).toBe(
      maxInputTokens(chat('x')),
    );
  });
});

describe('the bound on output tokens', () => {
  it.each<[JsonObject, number | null, number | null]>([
    [{ max_tokens: 100 }, 4_096, 100],
    [{ max_completion_tokens: 50, max_tokens: 100 }, 4_096, 50],
    [{ max_tokens: 100, n: 3 }, null, 300],
    [{}, 4_096, 4_096],
    [{ n: 2 }, 4_096, 8_192],
    [{ max_tokens: null }, 4_096, 4_096],
    [{}, null, null],
    [{ n: 4 }, null, null],
  ])('of %j with fallback %j is %j', (request, fallback, expected) => {
    expect(maxOutputTokens(request, fallback)).toBe(expected);
  });
});
