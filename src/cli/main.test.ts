/** The command as a shell runs it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const RUN_CLI = new URL('./run-cli.ts', import.meta.url).href;

test.skipIf(process.platform !== 'linux')('output that could not be written is no success', () => {
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'config', 'schema'], {
    stdio: ['ignore', full, 'pipe'],
  });
  expect({ status, stderr: String(stderr) }).toEqual({
    status: 1,
    stderr: expect.stringMatching(/^the output could not be written: .*no space left.*\n$/),
  });
});

test('a reader that has seen enough is told nothing, and the command ends', async () => {
  const child = spawn(process.execPath, [MAIN, 'config', 'schema'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  expect({ status: status as unknown, stderr }).toEqual({ status: 1, stderr: '' });
});

test('a home where this user may not write is named, whether it is there or not, and only to who has to write', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-closed-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const script = `
    import { chmodSync } from 'node:fs';
    const { runCli } = await import(${JSON.stringify(RUN_CLI)});
    chmodSync(${JSON.stringify(folder)}, 0o555);
    // Root may write everywhere.
    if (process.getuid() === 0) process.setuid(65534);
    for (const below of ['', '/home']) {
      const env = { PATH: process.env.PATH, HOLDFAST_HOME: ${JSON.stringify(folder)} + below };
      for (const command of ['up', 'secrets list', 'doctor', 'models']) {
        const lines = [];
        const stream = { write: (text) => lines.push(text) };
        const code = await runCli(command.split(' '), { env, stdin: process.stdin, stdout: stream, stderr: stream });
        console.log(command, code, lines.join('').split('\\n').find((line) => /may not write/.test(line)) ?? '-');
      }
    }
    process.exit();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout.trimEnd().split('\n')).toEqual(
    ['', '/home'].flatMap(() => [
      expect.stringMatching(/^up 1 invalid_request: This user may not write in the home /),
      expect.stringMatching(/^secrets list 1 invalid_request: This user may not write in the home /),
      expect.stringMatching(/^doctor 1 .*this user may not write in /),
      'models 0 -',
    ]),
  );
});
