import { describe, expect, it } from 'vitest';
import { runCommand } from './run-command.ts';

const node = (code: string, timeoutMs = 20_000) => runCommand(process.execPath, ['-e', code], { timeoutMs });

describe('running a command', () => {
  it('returns what it printed', async () => {
    expect(await node(`console.log('hello')`)).toBe('hello\n');
  });

  it('fails with the exit code and the last lines', async () => {
    const code = `for (let n = 1; n <= 9; n += 1) console.error('line ' + n); process.exitCode = 3`;
    const error = await node(code).catch((reason: unknown) => String(reason));
    expect(error).toMatch(/exit code 3\nline 5\nline 6\nline 7\nline 8\nline 9$/);
  });

  it('ends one that takes too long', async () => {
    await expect(node('process.stdin.resume(); setInterval(() => 0, 1e6)', 200)).rejects.toThrow('stopped after 0.2 s');
  });

  it('fails when there is no such program', async () => {
    await expect(runCommand('no-such-program', [], { timeoutMs: 1000 })).rejects.toThrow('ENOENT');
  });
});
