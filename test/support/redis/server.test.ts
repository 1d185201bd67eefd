import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { redisUnavailableReason } from './binary.ts';
import { startRedis } from './server.ts';

describe.skipIf(redisUnavailableReason())('a Redis of the tests', () => {
  it('comes back empty after a crash, on the same port, and leaves nothing behind', async () => {
    const redis = await startRedis();
    await redis.command('set', 'a', '1');
    expect(await redis.command('get', 'a')).toBe('1');
    await redis.kill();
    await expect(redis.command('ping')).rejects.toThrow();
    await redis.start();
    expect(await redis.command('get', 'a')).toBeNull();
    await redis.close();
    expect(existsSync(redis.folder)).toBe(false);
  });
});
