/** `holdfast up` as a child process that can be killed and started again on the same home. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { HoldfastError } from '../../core/errors.ts';
import { isRunning } from '../../temporal/process/process-identity.ts';
import { readServerState } from '../../temporal/server/server-state.ts';
import { stopProcess } from '../../temporal/process/stop-process.ts';
import { entryPoint } from '../entry-point.ts';
import { freePorts } from '../../temporal/server/free-ports.ts';

/** Calls in flight get their answers before the child ends by itself. */
const STOP_GRACE_MS = 20_000;

export interface UpProcess {
  /** Of the gateway; the same after each start. */
  readonly url: string;
  readonly uiUrl: string;
  readonly pid: number;
  /** Resolves when calls are accepted. */
  start(): Promise<void>;
  /** SIGKILL: no handler runs, nothing is said goodbye to. */
  kill(): Promise<void>;
  /** Stops the child and the Temporal server that it started, whatever state they are in. */
  stop(): Promise<void>;
}

export interface UpProcessOptions {
  home: string;
  configPath: string;
  env: NodeJS.ProcessEnv;
  /** What the child says of its progress. */
  onLine(line: string): void;
}

export async function createUpProcess({ home, configPath, env, onLine }: UpProcessOptions): Promise<UpProcess> {
  const [port = 0, temporalPort = 0, uiPort = 0] = await freePorts(3);
  const ports = ['--port', port, '--temporal-port', temporalPort, '--ui-port', uiPort].map(String);
  let child: ChildProcess | null = null;

  async function end(signal: NodeJS.Signals, graceMs: number): Promise<void> {
    const ending = child;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, 'exit');
    ending.kill(signal);
    const timer = setTimeout(() => ending.kill('SIGKILL'), graceMs);
    await exited;
    clearTimeout(timer);
  }

  return {
    url: `http://127.0.0.1:${String(port)}`,
    uiUrl: `http://127.0.0.1:${String(uiPort)}`,
    get pid() {
      return child?.pid ?? 0;
    },
    async start() {
      const started = spawn(process.execPath, [entryPoint(), 'up', ...ports], {
        env: { ...withoutCluster(env), HOLDFAST_HOME: home, HOLDFAST_CONFIG: configPath },
        stdio: ['ignore', 'pipe', 'pipe'],
        // Ctrl-C is for the demo alone, which then stops the child in good order.
        detached: true,
      });
      child = started;
      const errors: string[] = [];
      createInterface({ input: started.stderr }).on('line', (line) => {
        errors.push(line);
        onLine(line);
      });
      await new Promise<void>((resolve, reject) => {
        createInterface({ input: started.stdout }).on('line', (line) => {
          if (line === 'ready') resolve();
        });
        started.once('error', reject);
        started.once('close', () =>
          reject(
            new HoldfastError(
              'engine_unavailable',
              `holdfast up ended before it was ready:\n${errors.slice(-20).join('\n')}`,
            ),
          ),
        );
      });
    },
    kill: () => end('SIGKILL', 0),
    async stop() {
      await end('SIGTERM', STOP_GRACE_MS);
      // A child that was killed could not stop its server.
      const server = readServerState(home);
      if (server && isRunning(server)) await stopProcess(server);
    },
  };
}

/** The demo kills what it started; it must never be a cluster that others use. */
function withoutCluster(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}
