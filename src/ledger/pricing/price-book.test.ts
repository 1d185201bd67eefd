import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatUsd } from '../../core/money.ts';
import type { PricedProvider } from '../../core/ports/price-book.ts';
import { NO_USAGE, totalInputTokens, totalOutputTokens } from '../../core/usage.ts';
import type { Usage } from '../../core/usage.ts';
import { CATALOGUE_VERSION } from './catalogue-rates.ts';
import { createPriceBook } from './price-book.ts';
import { parsePriceOverrides } from './price-overrides.ts';

const book = createPriceBook({ clock: () => Date.UTC(2026, 10, 20) });
const openai: PricedProvider = { name: 'openai', kind: 'openai', baseUrl: 'https://api.openai.com/v1' };
const claude: PricedProvider = { name: 'claude', kind: 'anthropic', baseUrl: 'https://api.anthropic.com' };
const gemini: PricedProvider = { name: 'gemini', kind: 'gemini', baseUrl: 'https://generativelanguage.googleapis.com' };
const local: PricedProvider = { name: 'local', kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:9001/v1' };

function usd(provider: PricedProvider, model: string, usage: Partial<Usage>): string | null {
  const price = book.price({ provider, model, usage: { ...NO_USAGE, ...usage } });
  return price && formatUsd(price.costNanoUsd);
}

describe('G8 money is exact', () => {
  test.each([
    [openai, 'gpt-4o', { inputTokens: 600, cacheReadTokens: 400, outputTokens: 100 }, '0.003'],
    [openai, 'gpt-5', { inputTokens: 600, cacheReadTokens: 400, outputTokens: 100 }, '0.0018'],
    [claude, 'claude-sonnet-4-5', { inputTokens: 300_000, outputTokens: 1000 }, '1.8225'],
    [gemini, 'gemini-2.5-pro', { inputTokens: 300_000, outputTokens: 1000 }, '0.765'],
    [openai, 'gpt-5.5', { inputTokens: 1_000_000, outputTokens: 100_000 }, '14.50'],
  ])('golden: $name %s %j', (provider, model, usage, expected) => {
    expect(usd(provider, model, usage)).toBe(expected);
  });

  test('a long prompt moves all tokens to the long tier; cached tokens count for the boundary, which itself is short', () => {
    expect(usd(claude, 'claude-sonnet-4-5', { inputTokens: 200_000, outputTokens: 1000 })).toBe('0.615');
    expect(usd(claude, 'claude-sonnet-4-5', { inputTokens: 200_001, outputTokens: 1000 })).toBe('1.222506');
    expect(usd(claude, 'claude-sonnet-4-5', { inputTokens: 1, cacheReadTokens: 200_000 })).toBe('0.120006');
  });

  test('reasoning is billed as output, cache writes at their own rate', () => {
    expect(usd(openai, 'gpt-5', { reasoningTokens: 100 })).toBe(usd(openai, 'gpt-5', { outputTokens: 100 }));
    expect(usd(claude, 'claude-sonnet-4-5', { cacheWriteTokens: 1000 })).toBe('0.00375');
    const usage = { ...NO_USAGE, cacheWriteTokens: 1000 };
    const long = book.price({ provider: claude, model: 'claude-sonnet-4-5', usage, longCacheWriteTokens: 400 });
    expect(formatUsd(long?.costNanoUsd ?? 0n)).toBe('0.00465');
  });

  test('audio has its own rates where the model has them, else the plain ones', () => {
    expect(usd(gemini, 'gemini-2.5-flash', { inputAudioTokens: 1_000_000 })).toBe('1.00');
    expect(usd(gemini, 'gemini-2.5-flash', { inputTokens: 1_000_000 })).toBe('0.30');
    expect(usd(openai, 'gpt-4o', { inputAudioTokens: 1000 })).toBe(usd(openai, 'gpt-4o', { inputTokens: 1000 }));
  });

  test('the service tier of the response changes the price; a surcharge known only roughly is marked', () => {
    const usage = { ...NO_USAGE, inputTokens: 1_000_000 };
    const price = (serviceTier: string | null) => book.price({ provider: openai, model: 'gpt-5', usage, serviceTier });
    expect(price('default')).toEqual(price(null));
    expect(price('flex')).toMatchObject({ costNanoUsd: 625_000_000n, isExact: true });
    expect(price('priority')).toMatchObject({ costNanoUsd: 2_500_000_000n, isExact: false });
  });

  test('an unknown model or address has no price', () => {
    expect(usd(openai, 'no-such-model', { inputTokens: 1 })).toBeNull();
    expect(usd(local, 'gpt-4o', { inputTokens: 1 })).toBeNull();
    expect(book.worstCaseNanoUsd({ provider: local, model: 'x', inputTokens: 1, maxOutputTokens: 1 })).toBeNull();
  });

  test('an embedding model has a price for prompts and none for output', () => {
    expect(usd(openai, 'text-embedding-3-small', { inputTokens: 1_000_000 })).toBe('0.02');
    expect(usd(openai, 'text-embedding-3-small', { outputTokens: 1 })).toBeNull();
  });

  test('a compatible provider is found by its address', () => {
    const groq = { ...local, baseUrl: 'https://api.groq.com/openai/v1' };
    expect(usd(groq, 'llama-3.3-70b-versatile', { inputTokens: 1_000_000 })).toBe('0.59');
  });

  test('overrides win, by model and then for all models of a provider, and pin their own version', () => {
    const overrides = parsePriceOverrides({
      'openai/gpt-5': { input: '2', output: '3.5' },
      'local/*': { input: 0.5, output: '0.0000001' },
    });
    const priced = createPriceBook({ overrides });
    const usage = { ...NO_USAGE, inputTokens: 1_000_000, outputTokens: 1_000_000 };
    expect(priced.price({ provider: openai, model: 'gpt-5', usage })).toEqual({
      costNanoUsd: 5_500_000_000n,
      catalogue: overrides.version,
      isExact: true,
    });
    expect(priced.price({ provider: local, model: 'any/thing', usage })?.costNanoUsd).toBe(500_000_100n);
    expect(priced.price({ provider: openai, model: 'gpt-4o', usage })?.catalogue).toBe(CATALOGUE_VERSION);
  });

  test('no amount can leave the 64 bits of a ledger, whatever was counted, asked or configured', () => {
    const dear = createPriceBook({
      overrides: parsePriceOverrides({ 'local/*': { input: '999999999999', output: 1 } }),
    });
    const priced = (inputTokens: number) =>
      dear.price({ provider: local, model: 'm', usage: { ...NO_USAGE, inputTokens } })?.costNanoUsd ?? null;
    expect(priced(1)).toBe(999_999_999_999_000n);
    expect(priced(2_000_000)).toBeNull();
    expect(usd(openai, 'gpt-4o', { outputTokens: Number.MAX_SAFE_INTEGER })).toBeNull();
    const largest = 1_000_000_000_000_000n;
    const worst = (inputTokens: number, maxOutputTokens: number) =>
      dear.worstCaseNanoUsd({ provider: local, model: 'm', inputTokens, maxOutputTokens });
    expect(worst(10_000_000, 1)).toBe(largest);
    expect(worst(1, 2 ** 62)).toBeLessThanOrEqual(largest);
    expect(worst(Number.MAX_SAFE_INTEGER * 4, 128 * Number.MAX_SAFE_INTEGER)).toBe(largest);
  });

  test('simulated prices are labelled as such', () => {
    const provider = { name: 'demo', kind: 'simulated', baseUrl: '' };
    expect(book.price({ provider, model: 'sim', usage: { ...NO_USAGE, outputTokens: 1000 } })).toEqual({
      costNanoUsd: 4_000_000n,
      catalogue: 'simulated-prices@1',
      isExact: true,
    });
  });

  test('the pinned catalogue version is the installed one', () => {
    const path = new URL('../../../node_modules/@pydantic/genai-prices/package.json', import.meta.url);
    const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
    expect(CATALOGUE_VERSION).toBe(`genai-prices@${version}`);
  });
});

const tokens = fc.integer({ min: 0, max: 400_000 });
const anyUsage: fc.Arbitrary<Usage> = fc.record({
  inputTokens: tokens,
  cacheReadTokens: tokens,
  cacheWriteTokens: tokens,
  outputTokens: tokens,
  reasoningTokens: tokens,
  inputAudioTokens: tokens,
  outputAudioTokens: tokens,
});
const anyModel = fc.constantFrom(
  [openai, 'gpt-4o'] as const,
  [openai, 'gpt-5.5'] as const,
  [claude, 'claude-sonnet-4-5'] as const,
  [gemini, 'gemini-2.5-pro'] as const,
  [gemini, 'gemini-2.5-flash'] as const,
);

describe('prices as properties', () => {
  test('more tokens of any kind never cost less', () => {
    const counter = fc.constantFrom(...(Object.keys(NO_USAGE) as (keyof Usage)[]));
    fc.assert(
      fc.property(anyModel, anyUsage, counter, tokens, ([provider, model], usage, name, more) => {
        const less = book.price({ provider, model, usage })?.costNanoUsd ?? -1n;
        const cost =
          book.price({ provider, model, usage: { ...usage, [name]: usage[name] + more } })?.costNanoUsd ?? -1n;
        expect(less).toBeGreaterThanOrEqual(0n);
        expect(cost).toBeGreaterThanOrEqual(less);
      }),
    );
  });

  test('no usage within the bounds costs more than the worst case', () => {
    fc.assert(
      fc.property(anyModel, anyUsage, tokens, tokens, ([provider, model], usage, slackIn, slackOut) => {
        const inputTokens = totalInputTokens(usage) + slackIn;
        const maxOutputTokens = totalOutputTokens(usage) + slackOut;
        const worst = book.worstCaseNanoUsd({ provider, model, inputTokens, maxOutputTokens }) ?? -1n;
        const longCacheWriteTokens = usage.cacheWriteTokens;
        expect(book.price({ provider, model, usage, longCacheWriteTokens })?.costNanoUsd).toBeLessThanOrEqual(worst);
      }),
    );
  });
});
