import { expect, test } from 'vitest';
import { NO_USAGE } from '../../core/usage.ts';
import { CATALOGUE_VERSION } from './catalogue-rates.ts';
import { chargeFor } from './charge.ts';
import type { ChargeInput } from './charge.ts';
import { createPriceBook } from './price-book.ts';

const book = createPriceBook();
const counted: ChargeInput = {
  provider: { name: 'openai', kind: 'openai', baseUrl: 'https://api.openai.com/v1' },
  model: 'gpt-4o',
  usage: { ...NO_USAGE, inputTokens: 1000, outputTokens: 100 },
  isEstimate: false,
  rawUsage: { prompt_tokens: 1000 },
  serviceTier: null,
};

test("the provider's counts give a priced charge with the catalogue's version", () => {
  expect(chargeFor(book, counted)).toEqual({
    usage: counted.usage,
    rawUsage: counted.rawUsage,
    serviceTier: null,
    costNanoUsd: 3_500_000n,
    computedNanoUsd: 3_500_000n,
    pricing: 'priced',
    catalogue: CATALOGUE_VERSION,
  });
});

test('our own counts, and surcharges known roughly, give an estimated one', () => {
  expect(chargeFor(book, { ...counted, isEstimate: true })).toMatchObject({ pricing: 'estimated' });
  expect(chargeFor(book, { ...counted, serviceTier: 'priority' })).toMatchObject({ pricing: 'estimated' });
});

test.each([
  ['OpenRouter', { cost: 0.00123 }],
  [
    'OpenRouter, with its fee beside what the provider bills to a key of our own,',
    { cost: 0.00003, is_byok: true, cost_details: { upstream_inference_cost: 0.0012 } },
  ],
  ['Perplexity', { cost: { input_tokens_cost: 0.0001, total_cost: 0.00123 } }],
])('a cost that %s reports wins, and the computed one stays beside it', (_name, rawUsage) => {
  expect(chargeFor(book, { ...counted, rawUsage })).toMatchObject({
    costNanoUsd: 1_230_000n,
    computedNanoUsd: 3_500_000n,
    pricing: 'priced',
    catalogue: 'provider-reported',
  });
});

test('a fee without what the provider bills beside it is not a cost', () => {
  expect(chargeFor(book, { ...counted, rawUsage: { cost: 0, is_byok: true } })).toMatchObject({
    costNanoUsd: 3_500_000n,
  });
});

test.each([-1, '0.1', null, 1e-200, true])('a reported cost of %j is not a cost', (cost) => {
  expect(chargeFor(book, { ...counted, rawUsage: { cost } })).toMatchObject({ costNanoUsd: 3_500_000n });
});

test('a cost beyond all that a call can cost is none, and a count beyond all sense is cut and has no price', () => {
  const reported = chargeFor(book, { ...counted, rawUsage: { cost: 1_000_001 } });
  expect(reported).toMatchObject({ costNanoUsd: 3_500_000n, catalogue: CATALOGUE_VERSION });
  const nonsense = { ...NO_USAGE, outputTokens: Number.MAX_SAFE_INTEGER, inputTokens: 5 };
  expect(chargeFor(book, { ...counted, usage: nonsense })).toMatchObject({
    usage: { outputTokens: 10_000_000_000, inputTokens: 5 },
    costNanoUsd: null,
    computedNanoUsd: null,
    pricing: 'unpriced',
  });
});

test('without a price, or without any count, the charge is unpriced', () => {
  const unpriced = { costNanoUsd: null, pricing: 'unpriced', catalogue: null };
  expect(chargeFor(book, { ...counted, model: 'no-such-model' })).toMatchObject(unpriced);
  expect(chargeFor(book, { ...counted, usage: null, rawUsage: null })).toMatchObject(unpriced);
});

test("Anthropic's one-hour cache writes are billed at their own rate", () => {
  const provider = { name: 'claude', kind: 'anthropic', baseUrl: 'https://api.anthropic.com' };
  const rawUsage = { cache_creation: { ephemeral_5m_input_tokens: 600, ephemeral_1h_input_tokens: 400 } };
  const usage = { ...NO_USAGE, cacheWriteTokens: 1000 };
  expect(chargeFor(book, { ...counted, provider, model: 'claude-sonnet-4-5', usage, rawUsage })).toMatchObject({
    costNanoUsd: 4_650_000n,
  });
});
