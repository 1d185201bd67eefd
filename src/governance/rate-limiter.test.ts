import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../core/errors.ts';
import type { LimitSettings } from '../core/settings.ts';
import { createRateLimiter, type LimitedScope, type RateLimiter } from './rate-limiter.ts';

const MINUTE_MS = 60_000;
const scope = (limits: Partial<LimitSettings>, name = 'tenant:acme'): LimitedScope => ({
  scope: name,
  limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...limits },
});

function clockAt(ms: number) {
  const clock = { ms };
  return { clock, limiter: createRateLimiter(() => clock.ms) };
}

function refusalOf(limiter: RateLimiter, scopes: LimitedScope[], tokens = 1): HoldfastError | null {
  try {
    limiter.take(scopes, tokens)();
    return null;
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
}

const arrivals = fc.array(fc.record({ gapMs: fc.nat({ max: 20_000 }), tokens: fc.integer({ min: 1, max: 40 }) }), {
  minLength: 1,
  maxLength: 120,
});

describe('the sliding window', () => {
  it('never lets more than the limit through in any calendar minute, nor twice the limit in any 60 seconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat({ max: MINUTE_MS }), arrivals, (limit, start, steps) => {
        const { clock, limiter } = clockAt(start);
        const taken: number[] = [];
        for (const { gapMs } of steps) {
          clock.ms += gapMs;
          if (!refusalOf(limiter, [scope({ requestsPerMinute: limit })])) taken.push(clock.ms);
        }
        for (const at of taken) {
          const minute = Math.floor(at / MINUTE_MS);
          expect(taken.filter((other) => Math.floor(other / MINUTE_MS) === minute).length).toBeLessThanOrEqual(limit);
          const within = taken.filter((other) => other >= at && other < at + MINUTE_MS).length;
          expect(within).toBeLessThan(2 * limit + 1);
        }
      }),
    );
  });

  it('holds the limit exactly against a burst on both sides of a minute', () => {
    const { clock, limiter } = clockAt(MINUTE_MS - 1);
    const limited = [scope({ requestsPerMinute: 10 })];
    for (let n = 0; n < 10; n++) expect(refusalOf(limiter, limited)).toBeNull();
    clock.ms = MINUTE_MS;
    // The minute before still counts in full: a fixed window would let ten more through.
    expect(refusalOf(limiter, limited)).toMatchObject({ code: 'rate_limited' });
    clock.ms = MINUTE_MS + MINUTE_MS / 2;
    for (let n = 0; n < 5; n++) expect(refusalOf(limiter, limited)).toBeNull();
    expect(refusalOf(limiter, limited)).not.toBeNull();
  });

  it('gives a Retry-After after which the same request passes, and not much before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat({ max: MINUTE_MS }), arrivals, (limit, start, steps) => {
        const { clock, limiter } = clockAt(start);
        const limited = [scope({ tokensPerMinute: limit })];
        for (const { gapMs, tokens } of steps) {
          clock.ms += gapMs;
          const refusal = refusalOf(limiter, limited, tokens);
          if (!refusal) continue;
          const wait = refusal.retryAfterMs ?? 0;
          expect(wait).toBeGreaterThan(0);
          expect(wait).toBeLessThanOrEqual(2 * MINUTE_MS);
          const asked = clock.ms;
          clock.ms = asked + wait - 10;
          if (wait > 10) expect(refusalOf(limiter, limited, tokens)).not.toBeNull();
          clock.ms = asked + wait;
          expect(refusalOf(limiter, limited, tokens)).toBeNull();
        }
      }),
    );
  });

  it('lets a request that alone exceeds the limit through when nothing else was taken, and then nothing more', () => {
    const { clock, limiter } = clockAt(0);
    const limited = [scope({ tokensPerMinute: 100 })];
    expect(refusalOf(limiter, limited, 5_000)).toBeNull();
    expect(refusalOf(limiter, limited, 1)).not.toBeNull();
    const wait = refusalOf(limiter, limited, 5_000)?.retryAfterMs ?? 0;
    clock.ms += wait;
    expect(refusalOf(limiter, limited, 5_000)).toBeNull();
  });

  it('counts requests and tokens apart, and scopes apart', () => {
    const { limiter } = clockAt(0);
    const both = [scope({ requestsPerMinute: 2, tokensPerMinute: 100 })];
    expect(refusalOf(limiter, both, 90)).toBeNull();
    expect(refusalOf(limiter, both, 20)).toMatchObject({
      code: 'rate_limited',
      details: { scope: 'tenant:acme', kind: 'tokensPerMinute', limit: 100 },
    });
    expect(refusalOf(limiter, both, 10)).toBeNull();
    expect(refusalOf(limiter, both, 0)).toMatchObject({ details: { kind: 'requestsPerMinute' } });
    expect(refusalOf(limiter, [scope({ requestsPerMinute: 2 }, 'tenant:other')])).toBeNull();
  });

  it('forgets what is older than two minutes', () => {
    const { clock, limiter } = clockAt(0);
    const limited = [scope({ requestsPerMinute: 1 })];
    expect(refusalOf(limiter, limited)).toBeNull();
    clock.ms = 2 * MINUTE_MS;
    expect(refusalOf(limiter, limited)).toBeNull();
  });
});

describe('with several scopes', () => {
  it('takes from none when one refuses', () => {
    const { limiter } = clockAt(0);
    const wide = scope({ requestsPerMinute: 2, tokensPerMinute: 10, concurrency: 1 }, 'tenant:wide');
    const full = scope({ requestsPerMinute: 1 }, 'key:full');
    limiter.take([full], 1)();
    for (let n = 0; n < 5; n++)
      expect(refusalOf(limiter, [wide, full])).toMatchObject({ details: { scope: 'key:full' } });
    const release = limiter.take([wide], 10);
    expect(refusalOf(limiter, [wide])).toMatchObject({ details: { kind: 'concurrency' } });
    release();
  });

  it('takes no place of a scope whose sibling has no free one', () => {
    const { limiter } = clockAt(0);
    const first = scope({ concurrency: 1 }, 'tenant:first');
    const second = scope({ concurrency: 1 }, 'key:second');
    const release = limiter.take([second], 1);
    expect(refusalOf(limiter, [first, second])).not.toBeNull();
    expect(refusalOf(limiter, [first])).toBeNull();
    release();
    expect(refusalOf(limiter, [first, second])).toBeNull();
  });
});

describe('concurrency', () => {
  it('gives a place back once, however often it is released', () => {
    const { limiter } = clockAt(0);
    const limited = [scope({ concurrency: 2 })];
    const first = limiter.take(limited, 1);
    const second = limiter.take(limited, 1);
    expect(() => limiter.take(limited, 1)).toThrow(/concurrency = 2 of tenant:acme/);
    first();
    first();
    first();
    limiter.take(limited, 1);
    expect(refusalOf(limiter, limited)).toMatchObject({ code: 'rate_limited', retryAfterMs: 1_000 });
    second();
    expect(refusalOf(limiter, limited)).toBeNull();
  });

  it('holds under any order of takes and releases', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.boolean(), { maxLength: 100 }), (limit, steps) => {
        const { limiter } = clockAt(0);
        const limited = [scope({ concurrency: limit })];
        const held: (() => void)[] = [];
        for (const takes of steps) {
          if (!takes) held.shift()?.();
          else if (held.length < limit) held.push(limiter.take(limited, 1));
          else expect(() => limiter.take(limited, 1)).toThrow();
        }
      }),
    );
  });
});

it('without limits everything passes', () => {
  const { limiter } = clockAt(0);
  for (let n = 0; n < 1_000; n++) expect(refusalOf(limiter, [scope({})], 1e9)).toBeNull();
  expect(refusalOf(limiter, [], 1)).toBeNull();
});
