import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { processStartTime } from '../../../src/temporal/process/process-identity.ts';
import { postgresUnavailableReason } from './binaries.ts';
import { startCluster } from './cluster.ts';

const CHILD = fileURLToPath(new URL('./cluster-child.ts', import.meta.url));

describe.skipIf(postgresUnavailableReason())('a cluster of the tests', () => {
  it('leaves no process and no folder behind when it is closed', async () => {
    const cluster = await startCluster();
    const { folder } = cluster;
    const pid = cluster.pid();
    expect(existsSync(folder)).toBe(true);
    expect(processStartTime(pid)).toBeDefined();
    await cluster.close();
    expect(existsSync(folder)).toBe(false);
    expect(processStartTime(pid)).toBeUndefined();
  });

  it('goes by itself when its process is killed', async () => {
    const child = spawn(process.execPath, [CHILD], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { folder, pid } = JSON.parse(line.toString()) as { folder: string; pid: number };
    child.kill('SIGKILL');
    await once(child, 'exit');
    while (existsSync(folder) || processStartTime(pid) !== undefined) await setTimeout(20);
  });
});

describe('without PostgreSQL', () => {
  const env = { PATH: '' };

  it('the reason is said, and where everything is required it is an error', () => {
    expect(postgresUnavailableReason(env)).toMatch(/initdb/);
    expect(() => postgresUnavailableReason({ ...env, HOLDFAST_TEST_REQUIRE: 'all' })).toThrow(/initdb/);
  });
});
