/** What the doctor says of Redis: a node runs without it, so that only a URL that cannot be right keeps a node from starting. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { redisUnavailableReason } from '../../../test/support/redis/binary.ts';
import { useRedis } from '../../../test/support/redis/use-redis.ts';
import { openHomeStores } from '../access/home-stores.ts';
import { checkRedis } from './check-redis.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-doctor-'));
const home = join(folder, 'home');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const look = (REDIS_URL: string, urlReference = 'env:REDIS_URL', at = home) =>
  checkRedis({ home: at, env: { REDIS_URL } }, { hotStore: { kind: 'redis', urlReference } });

test('nothing is said where none is wanted', async () => {
  expect(await checkRedis({ home, env: {} }, { hotStore: { kind: 'memory' } })).toEqual([]);
});

test('a Redis that is away is a warning that names the reason, not the password', async () => {
  const [finding] = await look('redis://u:hunter2@127.0.0.1:1/0');
  expect(finding).toMatchObject({ name: 'redis', status: 'warn', message: expect.stringContaining('ECONNREFUSED') });
  expect(JSON.stringify(finding)).not.toContain('hunter2');
});

test.each([
  ['no URL', '', 'env:REDIS_URL', /stores\.redisUrl refers to env:REDIS_URL/],
  ['another protocol', 'http://u:hunter2@127.0.0.1:1', 'env:REDIS_URL', /stores\.redisUrl must be like redis:/],
  ['a secret of a home that has none', '', 'secret:redis', /holdfast secrets set redis/],
])('%s would keep a node from starting, and nothing is made', async (_case, url, reference, message) => {
  const [finding] = await look(url, reference);
  expect(finding).toMatchObject({ status: 'fail', message: expect.stringMatching(message) });
  expect(JSON.stringify(finding)).not.toContain('hunter2');
  expect(existsSync(home)).toBe(false);
});

describe.skipIf(redisUnavailableReason())('a Redis that runs', () => {
  const redis = useRedis();

  it('answers, by a URL of the environment or a secret of the home', async () => {
    const ok = [{ name: 'redis', status: 'ok', message: 'it answers' }];
    expect(await look(redis().url)).toEqual(ok);
    const homeWithSecret = join(folder, 'with-secret');
    await openHomeStores(homeWithSecret, {}).secrets().set('redis', redis().url);
    expect(await look('', 'secret:redis', homeWithSecret)).toEqual(ok);
  });

  it('refuses who has not its password, and the doctor says so', async () => {
    await redis().command('config', 'set', 'requirepass', 'right');
    const [finding] = await look(redis().url.replace('redis://', 'redis://:hunter2@'));
    expect(finding).toMatchObject({ status: 'warn', message: expect.stringMatching(/WRONGPASS|NOAUTH/) });
    expect(JSON.stringify(finding)).not.toContain('hunter2');
  });
});
