import { Runtime } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { installRuntime } from './runtime.ts';

it('installs once, forwards messages and leaves signals to us', async () => {
  const before = process.listenerCount('SIGTERM');
  const messages: string[] = [];
  expect(installRuntime((level, message) => messages.push(`${level} ${message}`))).toBe(true);
  expect(installRuntime(() => undefined)).toBe(false);

  Runtime.instance().logger.warn('a worker says hello');
  await expect.poll(() => messages).toEqual(['WARN a worker says hello']);
  expect(process.listenerCount('SIGTERM')).toBe(before);
});
