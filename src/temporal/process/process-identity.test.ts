import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isRunning, processStartTime } from './process-identity.ts';

const hasPs = spawnSync('ps', ['-p', '1']).error === undefined;

describe('the identity of a process', () => {
  it.each(hasPs ? [process.platform, 'darwin' as const] : [process.platform])(
    'stays the same while it lives and is gone when it ended (%s)',
    async (platform) => {
      const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'inherit'] });
      await once(child, 'spawn');
      const pid = child.pid ?? 0;
      const startTime = processStartTime(pid, platform);
      expect(startTime).toMatch(/\d/);
      expect(processStartTime(pid, platform)).toBe(startTime);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(processStartTime(pid, platform)).toBeUndefined();
    },
  );

  it('does not match a later process with the same pid', () => {
    const startTime = processStartTime(process.pid) ?? '';
    expect(isRunning({ pid: process.pid, startTime })).toBe(true);
    expect(isRunning({ pid: process.pid, startTime: `${startTime}0` })).toBe(false);
  });

  it.runIf(process.platform === 'linux')('is gone for a zombie, which nobody may ever reap', async () => {
    // The shell forks a child, tells its pid and then becomes a program that never waits for it.
    const script = 'sleep 0 & echo $!; exec cat';
    const parent = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [data] = (await once(parent.stdout, 'data')) as [Buffer];
    await expect.poll(() => processStartTime(Number(data.toString()))).toBeUndefined();
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  });
});
