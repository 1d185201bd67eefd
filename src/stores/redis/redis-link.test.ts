import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { redisUnavailableReason } from '../../../test/support/redis/binary.ts';
import { linkTo, useRedis } from '../../../test/support/redis/use-redis.ts';
import { until } from '../../../test/support/test-node.ts';
import { COMMAND_TIMEOUT_MS, connectRedis } from './redis-link.ts';

it.each(['localhost:6379', 'http://localhost:6379', '', 'redis//x'])('%j is no address of a Redis', async (url) => {
  await expect(connectRedis({ url, fleet: 'x' })).rejects.toMatchObject({ code: 'invalid_request' });
});

it('starts without Redis, says so once and without the password, and fails what is asked at once', async () => {
  const told: string[] = [];
  const url = 'redis://user:hunter2@127.0.0.1:1/0';
  const link = await connectRedis({
    url,
    fleet: 'x',
    onChange: (isUp, reason) => told.push(`${String(isUp)} ${reason}`),
  });
  expect(link.isUp).toBe(false);
  const asked = Date.now();
  await expect(link.client.get('a')).rejects.toThrow();
  expect(Date.now() - asked).toBeLessThan(1_000);
  expect(told).toHaveLength(1);
  expect(told.join()).toMatch(/^false /);
  expect(told.join()).not.toContain('hunter2');
  link.close();
});

describe.skipIf(redisUnavailableReason())('a Redis that answers nothing for a while', () => {
  const redis = useRedis();

  it('is believed where it answered in time, though this process stood still until after the deadline', async () => {
    const link = await linkTo(redis(), { commandTimeoutMs: COMMAND_TIMEOUT_MS });
    const another = link.another();
    await another.connect();
    const asked = Promise.all([link.client.get('a'), link.client.pipeline().get('b').exec(), another.get('c')]);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, COMMAND_TIMEOUT_MS + 100);
    expect(await asked).toEqual([null, [[null, null]], null]);
  });

  it('is asked by one question at a time until it answers, and that is told once, however many commands failed', async () => {
    const told: boolean[] = [];
    const link = await linkTo(redis(), {
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      onChange: (isUp) => told.push(isUp),
    });
    const ping = vi.spyOn(link.client, 'ping');
    let returns = 0;
    link.onReturn(() => (returns += 1));
    await redis().command('client', 'pause', 1_500, 'ALL');
    await Promise.all(Array.from({ length: 40 }, () => link.client.get('a').catch((error: unknown) => link.failed(error)))); // prettier-ignore
    expect(link.isUp).toBe(false);
    await until('it is back', () => returns > 0);
    expect(link.isUp).toBe(true);
    // Time for the questions of the others.
    await delay(1_000);
    expect(returns).toBe(1);
    expect(ping.mock.calls.length).toBeLessThan(6);
    expect(told).toEqual([false, true]);
  });
});
