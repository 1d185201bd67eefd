import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { killWithUs, testServerBinary } from '../../../test/support/temporal/dev-server.ts';
import { freePorts } from './free-ports.ts';
import { greet } from '../../../test/support/temporal/sleep-workflow.ts';
import { connectNative } from '../connection.ts';
import { startEmbeddedServer, type EmbeddedServer, type EmbeddedServerOptions } from './embedded-server.ts';
import { lockHome } from './home-lock.ts';
import { processStartTime } from '../process/process-identity.ts';
import { searchAttributeKeys } from '../search-attribute-keys.ts';
import { installRuntime } from '../runtime.ts';
import { defaultFlags, tunedFlags } from './server-flags.ts';

const WEEK_SECONDS = 7 * 24 * 60 * 60;

describe('an embedded Temporal server', { timeout: 120_000 }, () => {
  let home: string;
  let ports: { port: number; uiPort: number };
  let started: EmbeddedServer[];
  let forget: (() => void)[];

  beforeAll(() => {
    installRuntime(() => undefined);
  });
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'holdfast-embedded-'));
    const [port = 0, uiPort = 0] = await freePorts(2);
    ports = { port, uiPort };
    started = [];
    forget = [];
  });
  afterEach(async () => {
    for (const server of started) await server.stop();
    forget.forEach((run) => run());
    await rm(home, { recursive: true, force: true });
  });

  async function start(options: Partial<EmbeddedServerOptions> = {}): Promise<EmbeddedServer> {
    const binary = await testServerBinary();
    const server = await startEmbeddedServer({ home, ...ports, binary, ...options });
    forget.push(killWithUs(server.pid));
    started.push(server);
    return server;
  }

  it('takes a workflow as soon as it is said to be ready, eagerly over the shared connection', async () => {
    const server = await start();
    const connection = await connectNative({ address: server.address });
    const worker = await Worker.create({
      connection,
      taskQueue: 'greetings',
      workflowsPath: fileURLToPath(new URL('../../../test/support/temporal/sleep-workflow.ts', import.meta.url)),
    });
    const client = new Client({ connection });
    const answer = await worker.runUntil(async () => {
      const handle = await client.workflow.start(greet, {
        args: ['Ada'],
        taskQueue: 'greetings',
        workflowId: 'greet-1',
        requestEagerStart: true,
        typedSearchAttributes: [
          { key: searchAttributeKeys.tenant, value: 'acme' },
          { key: searchAttributeKeys.costNanoUsd, value: 42 },
        ],
      });
      expect(handle.eagerlyStarted).toBe(true);
      return await handle.result();
    });
    await connection.close();
    expect(answer).toBe('hello Ada');
  });

  it('keeps closed workflows for a week and knows our search attributes, also after a restart on the same database', async () => {
    const first = await start();
    expect(await factsOf(first)).toEqual(expectedFacts);
    await first.stop();
    const second = await start();
    expect(second.reused).toBe(false);
    expect(await factsOf(second)).toEqual(expectedFacts);
  });

  it('survives the kill -9 of its owner, whose home and server the next owner takes over', async () => {
    const owner = await spawnOwner(home, ports);
    forget.push(killWithUs(owner.serverPid), () => owner.child.kill('SIGKILL'));
    expect(() => lockHome(home)).toThrow(`process ${owner.child.pid}`);
    owner.child.kill('SIGKILL');
    await once(owner.child, 'exit');

    const lock = lockHome(home);
    const server = await start();
    expect(server).toMatchObject({ reused: true, pid: owner.serverPid });
    await server.stop();
    expect(processStartTime(owner.serverPid)).toBeUndefined();
    lock.release();
  });

  it('is taken over by the next owner when the first did not stop it', async () => {
    const first = await start();
    const second = await start();
    expect(first.reused).toBe(false);
    expect(second.reused).toBe(true);
    expect(second.pid).toBe(first.pid);
    await second.stop();
    expect(first.isRunning()).toBe(false);
  });

  it('is replaced when it hangs', async () => {
    const first = await start();
    process.kill(first.pid, 'SIGSTOP');
    const lines: string[] = [];
    const second = await start({ reuseWithinMs: 500, stopGraceMs: 200, onProgress: (line) => lines.push(line) });
    expect(second.reused).toBe(false);
    expect(first.isRunning()).toBe(false);
    expect(lines.join()).toMatch(/of no use.*stopping/s);
  });

  it('is replaced when the next owner wants other flags, another version or other ports', async () => {
    const first = await start({ flags: defaultFlags });
    const second = await start({ flags: tunedFlags });
    expect(second).toMatchObject({ reused: false });
    expect(first.isRunning()).toBe(false);

    const binary = await testServerBinary();
    const third = await start({ binary: { ...binary, version: '9.9.9' } });
    expect(third.reused).toBe(false);
    expect(second.isRunning()).toBe(false);

    const [port = 0, uiPort = 0] = await freePorts(2);
    const fourth = await start({ binary: { ...binary, version: '9.9.9' }, port, uiPort });
    expect(fourth).toMatchObject({ reused: false, address: `127.0.0.1:${port}` });
    expect(third.isRunning()).toBe(false);
  });

  it('starts over when its very first start was cut short', async () => {
    await writeFile(join(home, 'temporal.db'), '');
    expect(await factsOf(await start())).toEqual(expectedFacts);
  });

  it('leaves the process alone that has the pid of a dead server by chance', async () => {
    await start().then((server) => server.stop());
    const state = { home: '0:0', version: '1', flagsHash: 'x', ...ports, pid: process.pid, startTime: 'long ago' };
    await writeFile(join(home, 'temporal.json'), JSON.stringify(state));
    const server = await start();
    expect(server).toMatchObject({ reused: false });
    expect(server.pid).not.toBe(process.pid);
  });

  it.each([
    ['port', '--temporal-port'],
    ['uiPort', '--ui-port'],
  ] as const)('says which flag to use when its %s is taken', async (name, flag) => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(ports[name], '127.0.0.1', resolve));
    try {
      await expect(start()).rejects.toMatchObject({
        code: 'engine_unavailable',
        message: expect.stringMatching(new RegExp(`${ports[name]}.*${flag}`)) as string,
      });
    } finally {
      await new Promise((resolve) => blocker.close(resolve));
    }
  });

  it('is started again when it loses one of its internal ports while it starts', async () => {
    const { path, version } = await testServerBinary();
    const unlucky = join(home, 'unlucky');
    const clash = 'listen tcp 127.0.0.1:41234: bind: address already in use';
    const script = `#!/bin/sh\nif [ -e tried ]; then exec "${path}" "$@"; fi\ntouch tried; echo "${clash}"; exit 1\n`;
    await writeFile(unlucky, script, { mode: 0o755 });
    const lines: string[] = [];
    const server = await start({ binary: { path: unlucky, version }, onProgress: (line) => lines.push(line) });
    expect(server.isRunning()).toBe(true);
    expect(lines).toEqual([expect.stringContaining('starting it again')]);
  });

  it('shows the end of its log when it dies early, and leaves nothing behind', async () => {
    await expect(start({ flags: ['--no-such-flag'] })).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining('no-such-flag') as string,
    });
    expect(existsSync(join(home, 'temporal.json'))).toBe(false);
  });

  it('says so when its binary cannot be started', async () => {
    const binary = { path: join(home, 'nothing-here'), version: '1.8.2' };
    await expect(start({ binary })).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining('ENOENT') as string,
    });
  });

  it.runIf(process.platform === 'linux')('leads its own process group and is given no key of a provider', async () => {
    vi.stubEnv('OPENAI_API_KEY', 'sk-not-for-the-server');
    const server = await start();
    vi.unstubAllEnvs();
    const environment = await readFile(`/proc/${server.pid}/environ`, 'utf8');
    expect(environment).toContain('PATH=');
    expect(environment).not.toContain('sk-not-for-the-server');
    const [, , group] = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    expect(group).toBe(String(server.pid));
  });

  it('leaves no process and no state when it is stopped, and a second stop is harmless', async () => {
    const server = await start();
    const state = JSON.parse(await readFile(join(home, 'temporal.json'), 'utf8')) as { pid: number };
    expect(state).toMatchObject({ pid: server.pid, ...ports });
    await server.stop();
    await server.stop();
    expect(processStartTime(server.pid)).toBeUndefined();
    expect(existsSync(join(home, 'temporal.json'))).toBe(false);
  });
});

async function spawnOwner(home: string, { port, uiPort }: { port: number; uiPort: number }) {
  const script = fileURLToPath(new URL('../../../test/support/temporal/own-home.ts', import.meta.url));
  const child = spawn(process.execPath, [script, home, String(port), String(uiPort)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, serverPid: Number(line) };
}

const expectedFacts = {
  retentionSeconds: WEEK_SECONDS,
  attributes: Object.values(searchAttributeKeys)
    .map(({ name }) => name)
    .sort(),
};

async function factsOf(server: EmbeddedServer) {
  const connection = await Connection.connect({ address: server.address });
  try {
    const { namespace } = server;
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return {
      retentionSeconds: Number(config?.workflowExecutionRetentionTtl?.seconds),
      attributes: Object.keys(customAttributes).sort(),
    };
  } finally {
    await connection.close();
  }
}
