import { expect, test } from 'vitest';
import { parseAnthropicRequest } from './parse-request.ts';

const body = (max_tokens: number) => ({ model: 'm', max_tokens, messages: [{ role: 'user', content: 'hi' }] });

test('max_tokens beyond what any model gives is refused, so that no price of it leaves 64 bits', () => {
  expect(parseAnthropicRequest(body(10_000_000)).body.max_tokens).toBe(10_000_000);
  for (const limit of [10_000_001, Number.MAX_SAFE_INTEGER, 2 ** 63]) {
    expect(() => parseAnthropicRequest(body(limit))).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'max_tokens' }),
    );
  }
});

test('models that the provider may fall back to are refused: routes are the configuration', () => {
  expect(() => parseAnthropicRequest({ ...body(10), fallbacks: [{ model: 'another' }] })).toThrow(
    expect.objectContaining({ code: 'invalid_request', param: 'fallbacks' }),
  );
  expect(parseAnthropicRequest({ ...body(10), fallbacks: null }).body.max_tokens).toBe(10);
});
