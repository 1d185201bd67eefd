import { describe, expect, it } from 'vitest';
import type { ChatAnswer } from '../core/chat.ts';
import type { CallRequest, ProviderAnswer } from '../core/ports/provider.ts';
import { NO_USAGE, type Usage } from '../core/usage.ts';
import { createPriceBook } from '../ledger/pricing/price-book.ts';
import { chargeAttempt } from './charge-attempt.ts';

const prices = createPriceBook({});
const provider = { name: 'openai', kind: 'openai', baseUrl: 'https://api.openai.com/v1', apiKey: null, headers: {} };
const request: CallRequest = {
  wire: 'openai-chat',
  stream: false,
  body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'How are you today?' }] },
};

function answerOf(usage: Usage | null, chat: Partial<ChatAnswer> | null): ProviderAnswer {
  const whole = chat && ({ toolCalls: [], text: null, reasoning: null, ...chat } as ChatAnswer);
  const rest = { responseId: 'r', model: 'gpt-4o', serviceTier: null, rawUsage: null };
  return { wire: 'openai-chat', body: {}, chat: whole, usage, ...rest };
}
const chargeOf = (answer: ProviderAnswer) => chargeAttempt(prices, provider, 'gpt-4o', request, answer);

describe('a charge', () => {
  it("is made of the provider's own counts where it gave them", () => {
    const charge = chargeOf(answerOf({ ...NO_USAGE, inputTokens: 1_000_000, outputTokens: 1_000_000 }, { text: 'x' }));
    // 2.50 and 10.00 USD for a million.
    expect(charge).toMatchObject({ pricing: 'priced', costNanoUsd: 12_500_000_000n });
  });

  it('is estimated where the provider was to run tools, whose fees no count shows, unless those were left out', () => {
    const usage = { ...NO_USAGE, inputTokens: 1_000 };
    const searching = { ...request, body: { ...request.body, web_search_options: {} } };
    const at = (wire: ProviderAnswer['wire']) =>
      chargeAttempt(prices, provider, 'gpt-4o', searching, { ...answerOf(usage, { text: 'x' }), wire });
    expect(at('openai-chat')).toMatchObject({ pricing: 'estimated', costNanoUsd: 2_500_000n });
    expect(at('anthropic-messages')).toMatchObject({ pricing: 'priced' });
  });

  it('is estimated from what is there where the provider gave none, such as of a stream that broke off', () => {
    const charge = chargeOf(answerOf(null, { text: 'I am well, thank', reasoning: 'hm' }));
    expect(charge.pricing).toBe('estimated');
    expect(charge.usage?.inputTokens).toBeGreaterThan(4);
    expect(charge.usage?.outputTokens).toBeGreaterThan(3);
    expect(charge.usage?.reasoningTokens).toBeGreaterThan(0);
    expect(charge.costNanoUsd).toBeGreaterThan(0n);
  });

  it('counts all choices, and refusals', () => {
    const choice = (content: string) => ({ index: 0, message: { role: 'assistant', content } });
    const body = { choices: [choice('one two three'), choice('four five six'), choice('seven eight nine')] };
    const all = chargeOf({ ...answerOf(null, { text: 'one two three' }), body }).usage?.outputTokens;
    const first = chargeOf(answerOf(null, { text: 'one two three' })).usage?.outputTokens;
    expect([first, all]).toEqual([3, 9]);
    expect(chargeOf(answerOf(null, { refusal: 'no no no' })).usage?.outputTokens).toBe(3);
  });

  it('counts names and arguments of tool calls as output', () => {
    const toolCalls = [{ id: '1', name: 'look_up', arguments: '{"city":"Paris"}' }];
    const [without, withCalls] = [chargeOf(answerOf(null, {})), chargeOf(answerOf(null, { toolCalls }))];
    expect(without.usage?.outputTokens).toBe(0);
    expect(withCalls.usage?.outputTokens).toBeGreaterThan(4);
  });

  it('is unpriced and never a guess where no price is known', () => {
    const usage = { ...NO_USAGE, inputTokens: 10 };
    expect(
      chargeAttempt(
        prices,
        { ...provider, kind: 'openai-compatible', baseUrl: 'http://own/v1' },
        'own',
        request,
        answerOf(usage, null),
      ),
    ).toMatchObject({
      pricing: 'unpriced',
      costNanoUsd: null,
      usage,
    });
  });
});
