import { describe, expect, it } from 'vitest';
import { freePorts } from './free-ports.ts';
import { HoldfastError } from '../../core/errors.ts';
import { waitUntilReady } from './server-readiness.ts';

describe('waiting for a server that never comes', () => {
  it('ends at its deadline with the address and the reason', async () => {
    const [port = 0] = await freePorts(1);
    const options = { address: `127.0.0.1:${port}`, namespace: 'default', withinMs: 300 };
    await expect(waitUntilReady({ ...options, assertAlive: () => undefined })).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringMatching(new RegExp(`127.0.0.1:${port} was not ready within 0.3 s \\(.+\\)`)) as string,
    });
  });

  it('ends at once when its process is dead', async () => {
    const [port = 0] = await freePorts(1);
    const death = new HoldfastError('engine_unavailable', 'it died');
    const assertAlive = (): void => {
      throw death;
    };
    const options = { address: `127.0.0.1:${port}`, namespace: 'default', withinMs: 60_000 };
    await expect(waitUntilReady({ ...options, assertAlive })).rejects.toBe(death);
  });
});
