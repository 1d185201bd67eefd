import { expect, it } from 'vitest';
import { connectRedis } from './redis-link.ts';

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
