import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { redisUnavailableReason } from '../../../test/support/redis/binary.ts';
import { linkTo, PATIENT_MS, useRedis } from '../../../test/support/redis/use-redis.ts';
import { until } from '../../../test/support/test-node.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { LimitedScope } from '../../core/ports/hot-state.ts';
import { hotStateContract } from '../hot-state-contract.ts';
import { createMemoryHotState } from '../memory/hot-state.ts';
import { createRedisHotState, PLACE_LEASE_MS } from './hot-state.ts';
import { connectRedis, type RedisLink } from './redis-link.ts';
import { withFallback } from './with-fallback.ts';

const limited = (limits: Partial<LimitedScope['limits']>): LimitedScope[] => [
  { scope: 'tenant:acme', limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...limits } },
];

describe.skipIf(redisUnavailableReason())('in Redis', () => {
  const redis = useRedis();

  describe('as every hot state', () => {
    let link: RedisLink;
    beforeAll(async () => {
      link = await connectRedis({ url: redis().url, fleet: 'contract', commandTimeoutMs: PATIENT_MS });
    });
    afterAll(() => link.close());
    hotStateContract(
      (now) => createRedisHotState({ link: { ...link, isUp: true, prefix: `{${randomUUID()}}` }, now }),
      15,
    );
  });

  it('G4 two nodes that take at once let exactly the limit through', async () => {
    const links = await Promise.all([linkTo(redis(), { fleet: 'two' }), linkTo(redis(), { fleet: 'two' })]);
    const nodes = links.map((link) => createRedisHotState({ link }));
    const scopes = limited({ requestsPerMinute: 37, concurrency: 23 });
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, async (_, n) => nodes[n % 2]?.take({ name: `p${String(n)}`, scopes }, 1)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(23);
    nodes[1]?.free({ name: 'p0', scopes });
    await nodes[1]?.take({ name: 'more', scopes }, 1);
    await expect(nodes[0]?.take({ name: 'evenMore', scopes }, 1)).rejects.toThrow(/concurrency/);
  });

  it('a place that is renewed stays, one of a killed node expires', async () => {
    const clock = { ms: 0 };
    const state = createRedisHotState({ link: await linkTo(redis()), now: () => clock.ms });
    const scopes = limited({ concurrency: 2 });
    await state.take({ name: 'alive', scopes }, 1);
    await state.take({ name: 'killed', scopes }, 1);
    await expect(state.take({ name: 'next', scopes }, 1)).rejects.toThrow(/concurrency/);
    for (let n = 0; n < 6; n++) {
      clock.ms += PLACE_LEASE_MS / 4;
      state.renew([{ name: 'alive', scopes }]);
    }
    await state.take({ name: 'next', scopes }, 1);
    await expect(state.take({ name: 'third', scopes }, 1)).rejects.toThrow(/concurrency/);
  });

  it('a lease runs by the clock of Redis', async () => {
    const state = createRedisHotState({ link: await linkTo(redis()), leaseMs: 400 });
    const scopes = limited({ concurrency: 1 });
    const isFree = async () => {
      try {
        await state.take({ name: 'next', scopes }, 1);
        return true;
      } catch (error) {
        if (HoldfastError.is(error)) return false;
        throw error;
      }
    };
    const takenAt = performance.now();
    await state.take({ name: 'killed', scopes }, 1);
    await until('it has expired', isFree);
    expect(performance.now() - takenAt).toBeGreaterThan(390);
  });

  it('places that were lost are held again by a few commands, however many they are', async () => {
    const link = await linkTo(redis());
    const state = createRedisHotState({ link });
    const evals = vi.spyOn(link.client, 'eval');
    const scopes = limited({ concurrency: 1_201 });
    const places = Array.from({ length: 1_200 }, (_, n) => ({ name: `p${String(n)}`, scopes }));
    state.renew(places);
    await state.take({ name: 'a renewed place that was lost stays lost', scopes }, 1);
    state.reclaim(places);
    await expect(state.take({ name: 'one too many', scopes }, 1)).rejects.toThrow(/concurrency/);
    // Three times renewed and held again in 500s, and two asked.
    expect(evals).toHaveBeenCalledTimes(3 + 3 + 2);
  });

  it('while Redis is away the limits are kept by the node itself, and calls do not wait', async () => {
    const told: boolean[] = [];
    const link = await linkTo(redis(), { onChange: (isUp) => told.push(isUp) });
    const state = withFallback(createRedisHotState({ link }), createMemoryHotState(), link);
    const scopes = limited({ concurrency: 2 });
    await state.take({ name: 'before', scopes }, 1);
    await redis().kill();
    const asked = Date.now();
    await state.take({ name: 'during', scopes }, 1);
    expect(Date.now() - asked).toBeLessThan(2_500);
    await expect(state.take({ name: 'refused', scopes }, 1)).rejects.toThrow(/concurrency/);
    await redis().start();
    await until('it is back', () => link.isUp);
    // What was in Redis is lost; those that run take their places again.
    state.reclaim(['before', 'during'].map((name) => ({ name, scopes })));
    await expect(state.take({ name: 'after', scopes }, 1)).rejects.toThrow(/concurrency/);
    state.free({ name: 'before', scopes });
    await state.take({ name: 'after', scopes }, 1);
    expect(told).toEqual([false, true]);
  });
});
