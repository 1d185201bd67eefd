/** The command as a shell runs it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const HOME_OF = new URL('./home.ts', import.meta.url).href;

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

test('a reader that has seen enough is told nothing', () => {
  const { status, stdout, stderr } = spawnSync('sh', [
    '-c',
    '"$0" "$1" config schema | head -n 1',
    process.execPath,
    MAIN,
  ]);
  expect({ status, out: String(stdout), err: String(stderr) }).toEqual({ status: 0, out: '{\n', err: '' });
});

test('a home where this user may not write is named, whether it is there or not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-closed-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const script = `
    import { chmodSync } from 'node:fs';
    const { homeOf } = await import(${JSON.stringify(HOME_OF)});
    chmodSync(${JSON.stringify(folder)}, 0o555);
    // Root may write everywhere.
    if (process.getuid() === 0) process.setuid(65534);
    for (const home of ['', 'home']) {
      try {
        console.log('taken', homeOf({ HOLDFAST_HOME: ${JSON.stringify(folder)} + '/' + home }));
      } catch (error) {
        console.log(error.code, error.message);
      }
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const line = `invalid_request .*this user may not write in ${folder}\\..*\\n`;
  expect(stdout).toMatch(new RegExp(`^${line}${line}$`));
});
