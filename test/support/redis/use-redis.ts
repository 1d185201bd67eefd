/** Test support: one Redis for the tests of a file, and links to it that are closed with the test. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { connectRedis, type RedisLink, type RedisLinkOptions } from '../../../src/stores/redis/redis-link.ts';
import { startRedis, type TestRedis } from './server.ts';

export function useRedis(): () => TestRedis {
  let redis: TestRedis | undefined;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.close());
  return () => {
    if (!redis) throw new Error('Redis runs only while tests do');
    return redis;
  };
}

/** A Redis that stands still for a moment on a busy machine is not away: only tests of that bound take a node's own. */
export const PATIENT_MS = 10_000;

/** A node's link; `fleet` is one of its own, and commands are waited for with patience, unless it is told otherwise. */
export async function linkTo(redis: TestRedis, options: Partial<RedisLinkOptions> = {}): Promise<RedisLink> {
  const link = await connectRedis({
    url: redis.url,
    fleet: randomUUID(),
    commandTimeoutMs: PATIENT_MS,
    ...options,
  });
  onTestFinished(() => link.close());
  return link;
}
