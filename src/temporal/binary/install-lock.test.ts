import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withInstallLock } from './install-lock.ts';

describe('the lock of an installation', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-install-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('lets the second wait for the first, and says so', async () => {
    const order: string[] = [];
    const lines: string[] = [];
    const first = Promise.withResolvers<void>();
    const running = withInstallLock(
      directory,
      () => undefined,
      async () => {
        await first.promise;
        order.push('first');
      },
    );
    const waiting = withInstallLock(
      directory,
      (line) => {
        lines.push(line);
        first.resolve();
      },
      () => Promise.resolve(order.push('second')),
    );
    await Promise.all([running, waiting]);
    expect(order).toEqual(['first', 'second']);
    expect(lines).toHaveLength(1);
  });

  it('gives up in bounded time', async () => {
    const first = Promise.withResolvers<void>();
    const running = withInstallLock(
      directory,
      () => undefined,
      () => first.promise,
    );
    await expect(
      withInstallLock(
        directory,
        () => undefined,
        () => Promise.resolve(),
        { waitMs: 1 },
      ),
    ).rejects.toMatchObject({ code: 'engine_unavailable' });
    first.resolve();
    await running;
  });

  it('is free again after an installation that failed', async () => {
    const broken = withInstallLock(
      directory,
      () => undefined,
      () => Promise.reject(new Error('broken')),
    );
    await expect(broken).rejects.toThrow('broken');
    expect(
      await withInstallLock(
        directory,
        () => undefined,
        () => Promise.resolve('done'),
      ),
    ).toBe('done');
  });
});
