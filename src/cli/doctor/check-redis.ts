/** Redis, where the nodes of a fleet share it. A node runs without it, so that a Redis that is away is a warning. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../../core/settings.ts';
import { storeUrlOf } from '../../ledger/open-ledger.ts';
import { connectRedis } from '../../stores/redis/redis-link.ts';
import { openHomeStores } from '../access/home-stores.ts';
import { errorText, type DoctorInput, type Finding } from './check.ts';

const name = 'redis';

export async function checkRedis(
  { home, env }: DoctorInput,
  { hotStore }: Pick<Settings, 'hotStore'>,
): Promise<Finding[]> {
  if (hotStore.kind === 'memory') return [];
  // Opening the secrets of a home that has none would make their key.
  const resolve = async (secret: string) =>
    existsSync(join(home, 'secrets.json')) ? openHomeStores(home, env).secrets().resolve(secret) : null;
  try {
    return [await ask(await storeUrlOf('stores.redisUrl', hotStore.urlReference, { secrets: { resolve }, env }))];
  } catch (error) {
    const remedy = 'Correct what stores.redisUrl refers to, or put the right master key back.';
    return [{ name, status: 'fail', message: errorText(error), remedy }];
  }
}

/** @throws HoldfastError `invalid_request` for a URL that is none. */
async function ask(url: string): Promise<Finding> {
  let reason = 'it does not answer';
  const link = await connectRedis({ url, fleet: 'doctor', onChange: (_isUp, why) => (reason = why) });
  try {
    await link.client.ping();
    return { name, status: 'ok', message: 'it answers' };
  } catch {
    // The command says only that there is no connection; the link knows why.
    return {
      name,
      status: 'warn',
      message: `away: ${reason}`,
      remedy:
        'Start it, or correct what stores.redisUrl refers to. Until then calls go on, and each node limits by itself.',
    };
  } finally {
    link.close();
  }
}
