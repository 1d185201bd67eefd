/** A signal that comes while `holdfast up` still starts ends it, and its Temporal server with it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { isRunning } from '../../src/temporal/process/process-identity.ts';
import { readServerState, type ServerState } from '../../src/temporal/server/server-state.ts';
import { killWithUs, testServerBinary } from '../support/temporal/dev-server.ts';
import { freePorts } from '../../src/temporal/server/free-ports.ts';
import { until } from '../support/test-node.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

async function startUp(env: Record<string, string>) {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-up-'));
  await writeFile(join(home, 'holdfast.yaml'), 'providers: {}');
  const [port = 0, temporalPort = 0, uiPort = 0] = await freePorts(3);
  const ports = ['--port', `${port}`, '--temporal-port', `${temporalPort}`, '--ui-port', `${uiPort}`];
  const child = spawn(process.execPath, [MAIN, 'up', ...ports], {
    cwd: home,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], HOLDFAST_HOME: home, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { home, child, exited, output: () => output };
}

it.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('%s while the Temporal server starts: exit code %i, and the server is gone', async (signal, code) => {
  const { path } = await testServerBinary();
  const up = await startUp({ HOLDFAST_TEMPORAL_CLI: path });
  try {
    let server: ServerState | undefined;
    await until('the server is spawned', () => (server = readServerState(up.home)) !== undefined);
    killWithUs(server!.pid);
    up.child.kill(signal);
    expect(await up.exited, up.output()).toBe(code);
    expect(up.output()).toContain(`${signal}: stopping the start-up`);
    expect(up.output()).not.toMatch(/^ready$/m);
    expect(isRunning(server!)).toBe(false);
  } finally {
    up.child.kill('SIGKILL');
    await rm(up.home, { recursive: true, force: true });
  }
});

it('does not wait for a binary that is being looked for', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-slow-'));
  const slow = join(folder, 'temporal');
  await writeFile(slow, `#!/bin/sh\ntouch ${folder}/asked\nexec sleep 30\n`, { mode: 0o755 });
  const up = await startUp({ HOLDFAST_TEMPORAL_CLI: slow });
  try {
    await until('the binary is asked for its version', () => existsSync(join(folder, 'asked')));
    const before = performance.now();
    up.child.kill('SIGTERM');
    expect(await up.exited, up.output()).toBe(143);
    expect(performance.now() - before).toBeLessThan(5_000);
  } finally {
    up.child.kill('SIGKILL');
    await rm(up.home, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
});
