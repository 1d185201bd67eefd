import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { processStartTime } from './process-identity.ts';
import { stopProcess } from './stop-process.ts';

async function spawnNode(code: string) {
  const child = spawn(process.execPath, ['-e', `${code}; process.stdin.resume(); console.log('up')`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  return { child, exited, identity: { pid, startTime: processStartTime(pid) ?? '' } };
}

describe('stopping a process', () => {
  it('asks first', async () => {
    const { identity, exited } = await spawnNode('');
    await stopProcess(identity);
    expect(await exited).toEqual([null, 'SIGTERM']);
  });

  it('kills what does not listen', async () => {
    const { identity, exited } = await spawnNode(`process.on('SIGTERM', () => undefined)`);
    await stopProcess(identity, { graceMs: 100 });
    expect(await exited).toEqual([null, 'SIGKILL']);
  });

  it('never touches a process whose start time does not match', async () => {
    const { child, exited, identity } = await spawnNode('');
    await stopProcess({ ...identity, startTime: 'another time' }, { graceMs: 0 });
    expect(processStartTime(identity.pid)).toBe(identity.startTime);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
  });
});
