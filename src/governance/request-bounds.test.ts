import fc from 'fast-check';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { parseSettings } from '../config/load.ts';
import { providerAdapters } from '../providers/registry.ts';
import { decideAdmission, type AdmissionDeps } from './admission.ts';
import { allowedModelsPolicy } from './policy.ts';
import { boundOutput } from './bound-output.ts';
import { estimateRequestTokens, inputTokenBound, maxInputTokens, maxOutputTokens } from './request-bounds.ts';

const settings = parseSettings(
  `
providers: { openai: { kind: openai, apiKey: env:KEY } }
models: { m: { targets: [{ provider: openai, model: gpt-4o }], maxOutputTokens: 100 } }
`,
  'test',
  { env: { KEY: 'k' }, adapters: providerAdapters },
);
const admission: AdmissionDeps = {
  settings,
  adapters: providerAdapters,
  policy: allowedModelsPolicy,
  requiredCapabilities: () => new Set(),
  hasOpenPrice: () => false,
  worstCase: () => 1n,
  budgetStatus: () => Promise.resolve([]),
  newDecisionId: () => 'dec_1',
};
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

  it.each([
    ['high', 48_169],
    ['auto', 48_169],
    [undefined, 48_169],
    ['low', 2_833],
  ])('holds for an image at detail %s', (detail, most) => {
    for (const url of ['data:image/png;base64,AAAA', 'https://example.com/a.png']) {
      const image_url = { url, ...(detail !== undefined && { detail }) };
      const bound = inputTokenBound(chat([{ type: 'image_url', image_url }])) ?? -1;
      expect(bound).toBeGreaterThanOrEqual(most);
      if (detail === 'low') expect(bound).toBeLessThan(10_000);
    }
  });

  it('is what stands beside an image too', () => {
    const part = { type: 'image_url', image_url: { url: 'https://x/a.png' }, text: 'x'.repeat(100_000) };
    expect(inputTokenBound(chat([part]))).toBeGreaterThan(150_000);
  });

  const data = 'A'.repeat(400_000);
  it.each<[string, JsonObject]>([
    ['a file', { type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${data}` } }],
    ['audio', { type: 'input_audio', input_audio: { data, format: 'mp3' } }],
    ['a film', { type: 'video_url', video_url: { url: `data:video/mp4;base64,${data}` } }],
  ])('of %s inline is its size', (_, part) => {
    expect(inputTokenBound(chat([part]))).toBeGreaterThanOrEqual(400_000);
    expect(estimateRequestTokens(chat([part]))).toBeGreaterThanOrEqual(100_000);
  });

  const fetched: [string, JsonObject][] = [
    ['a file by id', chat([{ type: 'file', file: { file_id: 'file-1' } }])],
    ['a file by id beside its data', chat([{ type: 'file', file: { file_id: 'file-1', file_data: 'AAAA' } }])],
    ['a file by URL', chat([{ type: 'file', file: { file_data: 'https://example.com/a.pdf' } }])],
    ['a file of nothing', chat([{ type: 'file' }])],
    ['a film by URL', chat([{ type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } }])],
    ['earlier audio', { messages: [{ role: 'assistant', audio: { id: 'audio_1' } }] }],
  ];
  it.each(fetched)('does not exist for %s, of which the rest is still counted', (_, canonical) => {
    expect(inputTokenBound(canonical)).toBeNull();
    expect(maxInputTokens(canonical)).toBeGreaterThan(0);
    expect(estimateRequestTokens(canonical)).toBe(Math.ceil(maxInputTokens(canonical) / 4));
  });

  it.each(fetched)('so that a hard budget refuses %s', async (_, canonical) => {
    const body = { ...canonical, max_tokens: 10 };
    const request = {
      input: { kind: 'chat' as const, model: 'm', principal: { tenant: 't', key: null, models: null } },
      request: { wire: 'openai-chat' as const, stream: false, body },
      canonical: body,
    };
    const free = await decideAdmission(admission, { ...request, budgets: [] });
    expect(free).toMatchObject({ allowed: true, plan: { candidates: [{ worstCaseNanoUsd: null }] } });
    const budget = {
      scope: 'tenant:t',
      period: 'day',
      limitNanoUsd: 1n,
      hard: true,
      alertAt: [],
      allowUnbounded: false,
    };
    const strict = await decideAdmission(admission, { ...request, budgets: [budget as never] });
    expect(strict).toMatchObject({ allowed: false, error: { code: 'budget_exceeded' } });
  });

  it('takes a schema that speaks of files for what it is', () => {
    const parameters = { type: 'file', properties: { audio: { id: 'x' } } };
    expect(inputTokenBound({ messages: [], tools: [{ type: 'function', function: { parameters } }] })).not.toBeNull();
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
    [{ max_completion_tokens: 50, max_tokens: 100 }, 4_096, 100],
    [{ max_completion_tokens: 500, max_tokens: 100 }, 4_096, 500],
    [{ max_completion_tokens: null, max_tokens: 100 }, null, 100],
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

describe('the bound that a route puts on the output', () => {
  const request = (body: JsonObject): CallRequest => ({ wire: 'openai-chat', stream: false, body });

  it('is marked as the gateway own, so that adapters say it as their provider heeds it', () => {
    const bounded = boundOutput(settings, request({ model: 'm' }));
    expect(bounded).toMatchObject({ body: { max_completion_tokens: 100 }, outputBound: 100 });
    const compatible = providerAdapters.get('openai-compatible');
    const out = compatible?.encode({
      request: bounded,
      model: 'x',
      baseUrl: 'http://x',
      secret: undefined,
      headers: {},
    });
    expect(JSON.parse(out?.body ?? '')).toEqual({ model: 'x', max_tokens: 100 });
  });

  it.each([{ max_tokens: 5 }, { max_completion_tokens: 5 }])('leaves %j alone', (own) => {
    const bounded = request({ model: 'm', ...own });
    expect(boundOutput(settings, bounded)).toBe(bounded);
  });
});
