/** What every hot state does: the two implementations count alike, to the millisecond. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../core/errors.ts';
import type { HotState, LimitedScope } from '../core/ports/hot-state.ts';
import type { LimitSettings } from '../core/settings.ts';

const MINUTE_MS = 60_000;
const scope = (limits: Partial<LimitSettings>, name = 'tenant:acme'): LimitedScope => ({
  scope: name,
  limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...limits },
});

interface Limiter {
  take(scopes: LimitedScope[], tokens: number): Promise<() => void>;
}

async function refusalOf(limiter: Limiter, scopes: LimitedScope[], tokens = 1): Promise<HoldfastError | null> {
  try {
    (await limiter.take(scopes, tokens))();
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

/** @param create an empty hot state that goes by this clock. @param numRuns of each property. */
export function hotStateContract(create: (now: () => number) => HotState, numRuns = 100): void {
  let places = 0;

  function clockAt(ms: number): { clock: { ms: number }; limiter: Limiter; state: HotState } {
    const clock = { ms };
    const state = create(() => clock.ms);
    const limiter: Limiter = {
      async take(scopes, tokens) {
        const place = { name: `place-${String((places += 1))}`, scopes };
        await state.take(place, tokens);
        return () => state.free(place);
      },
    };
    return { clock, limiter, state };
  }

  describe('the sliding window', () => {
    it('never lets more than the limit through in any calendar minute, nor twice the limit in any 60 seconds', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 30 }),
          fc.nat({ max: MINUTE_MS }),
          arrivals,
          async (limit, start, steps) => {
            const { clock, limiter } = clockAt(start);
            const taken: number[] = [];
            for (const { gapMs } of steps) {
              clock.ms += gapMs;
              if (!(await refusalOf(limiter, [scope({ requestsPerMinute: limit })]))) taken.push(clock.ms);
            }
            for (const at of taken) {
              const minute = Math.floor(at / MINUTE_MS);
              expect(taken.filter((other) => Math.floor(other / MINUTE_MS) === minute).length).toBeLessThanOrEqual(
                limit,
              );
              const within = taken.filter((other) => other >= at && other < at + MINUTE_MS).length;
              expect(within).toBeLessThan(2 * limit + 1);
            }
          },
        ),
        { numRuns },
      );
    });

    it('holds the limit exactly against a burst on both sides of a minute', async () => {
      const { clock, limiter } = clockAt(MINUTE_MS - 1);
      const limited = [scope({ requestsPerMinute: 10 })];
      for (let n = 0; n < 10; n++) expect(await refusalOf(limiter, limited)).toBeNull();
      clock.ms = MINUTE_MS;
      // The minute before still counts in full: a fixed window would let ten more through.
      expect(await refusalOf(limiter, limited)).toMatchObject({ code: 'rate_limited' });
      clock.ms = MINUTE_MS + MINUTE_MS / 2;
      for (let n = 0; n < 5; n++) expect(await refusalOf(limiter, limited)).toBeNull();
      expect(await refusalOf(limiter, limited)).not.toBeNull();
    });

    it('gives a Retry-After after which the same request passes, and not much before', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 60 }),
          fc.nat({ max: MINUTE_MS }),
          arrivals,
          async (limit, start, steps) => {
            const { clock, limiter } = clockAt(start);
            const limited = [scope({ tokensPerMinute: limit })];
            for (const { gapMs, tokens } of steps) {
              clock.ms += gapMs;
              const refusal = await refusalOf(limiter, limited, tokens);
              if (!refusal) continue;
              const wait = refusal.retryAfterMs ?? 0;
              expect(wait).toBeGreaterThan(0);
              expect(wait).toBeLessThanOrEqual(2 * MINUTE_MS);
              const asked = clock.ms;
              clock.ms = asked + wait - 10;
              if (wait > 10) expect(await refusalOf(limiter, limited, tokens)).not.toBeNull();
              clock.ms = asked + wait;
              expect(await refusalOf(limiter, limited, tokens)).toBeNull();
            }
          },
        ),
        { numRuns },
      );
    });

    it('lets a request that alone exceeds the limit through when nothing else was taken, and then nothing more', async () => {
      const { clock, limiter } = clockAt(0);
      const limited = [scope({ tokensPerMinute: 100 })];
      expect(await refusalOf(limiter, limited, 5_000)).toBeNull();
      expect(await refusalOf(limiter, limited, 1)).not.toBeNull();
      const wait = (await refusalOf(limiter, limited, 5_000))?.retryAfterMs ?? 0;
      clock.ms += wait;
      expect(await refusalOf(limiter, limited, 5_000)).toBeNull();
    });

    it('counts requests and tokens apart, and scopes apart', async () => {
      const { limiter } = clockAt(0);
      const both = [scope({ requestsPerMinute: 2, tokensPerMinute: 100 })];
      expect(await refusalOf(limiter, both, 90)).toBeNull();
      expect(await refusalOf(limiter, both, 20)).toMatchObject({
        code: 'rate_limited',
        details: { scope: 'tenant:acme', kind: 'tokensPerMinute', limit: 100 },
      });
      expect(await refusalOf(limiter, both, 10)).toBeNull();
      expect(await refusalOf(limiter, both, 0)).toMatchObject({ details: { kind: 'requestsPerMinute' } });
      expect(await refusalOf(limiter, [scope({ requestsPerMinute: 2 }, 'tenant:other')])).toBeNull();
    });

    it('forgets what is older than two minutes', async () => {
      const { clock, limiter } = clockAt(0);
      const limited = [scope({ requestsPerMinute: 1 })];
      expect(await refusalOf(limiter, limited)).toBeNull();
      clock.ms = 2 * MINUTE_MS;
      expect(await refusalOf(limiter, limited)).toBeNull();
    });
  });

  describe('with several scopes', () => {
    it('takes from none when one refuses', async () => {
      const { limiter } = clockAt(0);
      const wide = scope({ requestsPerMinute: 2, tokensPerMinute: 10, concurrency: 1 }, 'tenant:wide');
      const full = scope({ requestsPerMinute: 1 }, 'key:full');
      (await limiter.take([full], 1))();
      for (let n = 0; n < 5; n++)
        expect(await refusalOf(limiter, [wide, full])).toMatchObject({ details: { scope: 'key:full' } });
      const release = await limiter.take([wide], 10);
      expect(await refusalOf(limiter, [wide])).toMatchObject({ details: { kind: 'concurrency' } });
      release();
    });

    it('takes no place of a scope whose sibling has no free one', async () => {
      const { limiter } = clockAt(0);
      const first = scope({ concurrency: 1 }, 'tenant:first');
      const second = scope({ concurrency: 1 }, 'key:second');
      const release = await limiter.take([second], 1);
      expect(await refusalOf(limiter, [first, second])).not.toBeNull();
      expect(await refusalOf(limiter, [first])).toBeNull();
      release();
      expect(await refusalOf(limiter, [first, second])).toBeNull();
    });
  });

  describe('concurrency', () => {
    it('gives a place back once, however often it is released', async () => {
      const { limiter } = clockAt(0);
      const limited = [scope({ concurrency: 2 })];
      const first = await limiter.take(limited, 1);
      const second = await limiter.take(limited, 1);
      await expect(limiter.take(limited, 1)).rejects.toThrow(/concurrency = 2 of tenant:acme/);
      first();
      first();
      first();
      await limiter.take(limited, 1);
      expect(await refusalOf(limiter, limited)).toMatchObject({ code: 'rate_limited', retryAfterMs: 1_000 });
      second();
      expect(await refusalOf(limiter, limited)).toBeNull();
    });

    it('holds under any order of takes and releases', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 5 }),
          fc.array(fc.boolean(), { maxLength: 100 }),
          async (limit, steps) => {
            const { limiter } = clockAt(0);
            const limited = [scope({ concurrency: limit })];
            const held: (() => void)[] = [];
            for (const takes of steps) {
              if (!takes) held.shift()?.();
              else if (held.length < limit) held.push(await limiter.take(limited, 1));
              else await expect(limiter.take(limited, 1)).rejects.toThrow();
            }
          },
        ),
        { numRuns },
      );
    });
  });

  it('without limits everything passes', async () => {
    const { limiter } = clockAt(0);
    for (let n = 0; n < 1_000; n++) expect(await refusalOf(limiter, [scope({})], 1e9)).toBeNull();
    expect(await refusalOf(limiter, [], 1)).toBeNull();
  });

  describe('a place', () => {
    const limited = [scope({ concurrency: 1 })];

    it('passes to the call that was made with it, and is freed by the name of that call', async () => {
      const { state } = clockAt(0);
      await state.take({ name: 'door', scopes: limited }, 1);
      state.hold({ name: 'call', scopes: limited }, 'door');
      state.free({ name: 'door', scopes: limited });
      await expect(Promise.resolve().then(() => state.take({ name: 'next', scopes: limited }, 1))).rejects.toThrow();
      state.free({ name: 'call', scopes: limited });
      await state.take({ name: 'next', scopes: limited }, 1);
    });

    it('that is held without asking counts all the same, once', async () => {
      const { state } = clockAt(0);
      const two = [scope({ concurrency: 2 })];
      for (let n = 0; n < 3; n++) state.hold({ name: 'call', scopes: two });
      await state.take({ name: 'next', scopes: two }, 1);
      await expect(Promise.resolve().then(() => state.take({ name: 'third', scopes: two }, 1))).rejects.toThrow();
    });
  });
}
