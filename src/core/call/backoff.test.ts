import fc from 'fast-check';
import { expect, it } from 'vitest';
import { retryWaitMs } from './backoff.ts';

const policy = { maxAttempts: 5, initialBackoffMs: 100, maxBackoffMs: 2_000, maxRetryAfterMs: 30_000 };
const share = fc.double({ min: 0, max: 0.999_999, noNaN: true });

it('never undercuts a Retry-After, and never waits for one beyond the cap', () => {
  fc.assert(
    fc.property(fc.nat(60_000), fc.integer({ min: 1, max: 20 }), share, (retryAfterMs, tries, random) => {
      const wait = retryWaitMs(
        policy,
        { code: 'provider_rate_limited', message: '', source: 'provider', retryAfterMs },
        tries,
        random,
      );
      if (retryAfterMs > policy.maxRetryAfterMs) expect(wait).toBeNull();
      else expect(wait).toBeGreaterThanOrEqual(retryAfterMs);
    }),
  );
});

it('stays within 20 % of the exponential, and within the maximum and its jitter', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), share, (tries, random) => {
      const wait = retryWaitMs(
        policy,
        { code: 'provider_unavailable', message: '', source: 'provider' },
        tries,
        random,
      );
      const middle = Math.min(2_000, 100 * 2 ** (tries - 1));
      expect(wait).toBeGreaterThanOrEqual(Math.floor(middle * 0.8));
      expect(wait).toBeLessThanOrEqual(Math.ceil(middle * 1.2));
    }),
  );
});
