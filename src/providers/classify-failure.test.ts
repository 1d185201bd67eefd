import { describe, expect, test } from 'vitest';
import { classifyFailure } from './classify-failure.ts';

const NO_HEADERS = {};
const classify = (status: number, headers: Record<string, string> = NO_HEADERS, words: string[] = [], message = 'm') =>
  classifyFailure({ status, headers, words, message });

test.each([
  [302, 'provider_unavailable', false, true],
  [400, 'provider_rejected', false, false],
  [401, 'provider_auth', false, true],
  [402, 'provider_quota', false, true],
  [403, 'provider_auth', false, true],
  [404, 'provider_rejected', false, true],
  [408, 'provider_timeout', true, true],
  [409, 'provider_unavailable', true, true],
  [413, 'provider_rejected', false, false],
  [422, 'provider_rejected', false, false],
  [429, 'provider_rate_limited', true, true],
  [500, 'provider_unavailable', true, true],
  [504, 'provider_timeout', true, true],
  [529, 'provider_unavailable', true, true],
])('status %d is %s, retryable %s, fail over %s', (status, code, retryable, failOver) => {
  expect(classify(status)).toEqual({ code, retryable, failOver, status, message: 'm' });
});

describe('words decide before the status', () => {
  test.each([
    [429, 'insufficient_quota', 'provider_quota'],
    [400, 'context_length_exceeded', 'context_too_long'],
    [413, 'context_length_exceeded', 'context_too_long'],
    [400, 'content_filter', 'content_blocked'],
    [400, 'API_KEY_INVALID', 'provider_auth'],
  ])('%d %s is %s', (status, word, code) => {
    expect(classify(status, NO_HEADERS, [word]).code).toBe(code);
  });

  test('but not those of a rate limit or a fault of the server', () => {
    expect(classify(429, NO_HEADERS, [], 'too many tokens for this minute').code).toBe('provider_rate_limited');
    expect(classify(500, NO_HEADERS, ['insufficient_quota', 'content_filter']).code).toBe('provider_unavailable');
  });
});

describe('how long to wait', () => {
  const at = 'Wed, 21 Oct 2026 07:28:30 GMT';

  test("is counted by the provider's own clock where it tells it", () => {
    const headers = { date: 'Wed, 21 Oct 2026 07:28:00 GMT', 'retry-after': at };
    expect(classify(429, headers).retryAfterMs).toBe(30_000);
  });

  test('is counted by our clock otherwise', () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    const waitMs = classify(429, { 'retry-after': inAMinute }).retryAfterMs ?? 0;
    expect(waitMs).toBeGreaterThan(55_000);
    expect(waitMs).toBeLessThanOrEqual(60_000);
  });

  test('means nothing for an account without money', () => {
    expect(classify(402, { 'retry-after': '5' })).not.toHaveProperty('retryAfterMs');
  });
});

test('a failure without a message says at least its status', () => {
  expect(classify(503, NO_HEADERS, [], ' ').message).toBe('The provider answered status 503.');
});
