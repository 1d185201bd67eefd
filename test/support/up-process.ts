/** `holdfast up` as a process of its own, to be killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRunning } from '../../src/temporal/process/process-identity.ts';
import { stopProcess } from '../../src/temporal/process/stop-process.ts';
import { killWithUs, testServerBinary } from './temporal/dev-server.ts';
import { freePorts } from '../../src/temporal/server/free-ports.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const READY_WITHIN_MS = 60_000;

export interface UpHome {
  home: string;
  url: string;
  /** Of its Temporal server. */
  temporalAddress: string;
  /** Starts `up` and waits until it says ready. */
  start(): Promise<UpProcess>;
  /** Stops the Temporal server that a killed process left, and removes everything. */
  remove(): Promise<void>;
}

export interface UpProcess {
  child: ChildProcess;
  output(): string;
  /** SIGKILL, and waits until the process is gone. Its Temporal server stays. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the drain. Gives the exit code. */
  stop(): Promise<number | null>;
}

export async function createUpHome(config: string, env: Record<string, string> = {}): Promise<UpHome> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-up-'));
  const [port = 0, temporalPort = 0, uiPort = 0] = await freePorts(3);
  const configPath = join(home, 'holdfast.yaml');
  await writeFile(configPath, config);
  const binary = await testServerBinary();
  return {
    home,
    url: `http://127.0.0.1:${port}`,
    temporalAddress: `127.0.0.1:${temporalPort}`,
    async start() {
      const args = [
        MAIN,
        'up',
        '--port',
        String(port),
        '--temporal-port',
        String(temporalPort),
        '--ui-port',
        String(uiPort),
      ];
      const child = spawn(process.execPath, args, {
        cwd: home,
        env: {
          PATH: process.env['PATH'],
          HOME: process.env['HOME'],
          HOLDFAST_HOME: home,
          HOLDFAST_CONFIG: configPath,
          HOLDFAST_TEMPORAL_CLI: binary.path,
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const up = watch(child);
      await up.ready;
      killWithUs(serverOf(home).pid);
      return up;
    },
    async remove() {
      const server = serverOf(home);
      if (isRunning(server)) await stopProcess(server);
      await rm(home, { recursive: true, force: true });
    },
  };
}

function watch(child: ChildProcess): UpProcess & { ready: Promise<void> } {
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`up was not ready in time:\n${output}`)), READY_WITHIN_MS);
    const take = (chunk: Buffer) => {
      output += chunk.toString();
      if (!/^ready$/m.test(output)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    void exited.then((code) => reject(new Error(`up ended with ${String(code)}:\n${output}`)));
  });
  return {
    child,
    ready,
    output: () => output,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

function serverOf(home: string): { pid: number; startTime: string } {
  try {
    return JSON.parse(readFileSync(join(home, 'temporal.json'), 'utf8')) as { pid: number; startTime: string };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { pid: 0, startTime: '' };
    throw error;
  }
}
