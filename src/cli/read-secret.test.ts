import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { CliContext } from './context.ts';
import { readSecret } from './read-secret.ts';

/** A terminal on which these keys are typed. */
function terminal(keys: string): CliContext {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => stdin });
  setImmediate(() => stdin.write(keys));
  return {
    env: {},
    stdin: stdin as unknown as NodeJS.ReadStream,
    write: () => expect.unreachable('a secret is asked for on stderr'),
    note: () => undefined,
    fail: () => undefined,
  };
}

function watchStderr(): () => string {
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  onTestFinished(() => spy.mockRestore());
  return () => spy.mock.calls.map(([text]) => String(text)).join('');
}

test('on a terminal the secret is asked for and never shown', async () => {
  const shown = watchStderr();
  expect(await readSecret(terminal('hunter2\r'), { name: 'claude', fromStdin: false })).toBe('hunter2');
  expect(shown()).toContain('Value of claude');
  expect(shown()).not.toContain('hunter2');
});

test('Ctrl-C at the prompt stores nothing', async () => {
  watchStderr();
  await expect(readSecret(terminal('hun\u0003'), { name: 'claude', fromStdin: false })).rejects.toMatchObject({
    code: 'cancelled',
  });
});
