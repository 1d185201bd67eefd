import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { startTestServer } from './dev-server.ts';

it('gives two tests two servers at once, and leaves nothing of them', async () => {
  const [first, second] = await Promise.all([startTestServer(), startTestServer()]);
  expect(first.address).not.toBe(second.address);
  await Promise.all([first.stop(), second.stop()]);
  for (const server of [first, second]) {
    expect(server.isRunning()).toBe(false);
    expect(existsSync(server.home)).toBe(false);
  }
});
