/** `holdfast up` as the campaign's supervisor has it: started, started again, and killed with or without its server. */
import { fileURLToPath } from 'node:url';
import type { ServerBinary } from '../../src/temporal/binary/find-server-binary.ts';
import { isRunning, type ProcessIdentity } from '../../src/temporal/process/process-identity.ts';
import { readServerState } from '../../src/temporal/server/server-state.ts';
import { killWithUs } from '../support/temporal/dev-server.ts';
import { PROVIDER_KEY } from './campaign-config.ts';
import { startChild, type Child } from './child-process.ts';
import { rememberNode } from './leftover.ts';
import type { FaultKind } from './plan.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const READY_WITHIN_MS = 60_000;
/** A supervisor does not give up at the first start that fails. */
const STARTS = 3;

export interface HoldfastNodeOptions {
  home: string;
  configPath: string;
  binary: ServerBinary;
  ports: { gateway: number; temporal: number; ui: number };
}

export async function startHoldfastNode(options: HoldfastNodeOptions): Promise<Child> {
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (tries >= STARTS) throw error;
      process.stderr.write(`start ${String(tries)} failed: ${String(error)}\n`);
    }
  }
}

async function startOnce({ home, configPath, binary, ports }: HoldfastNodeOptions): Promise<Child> {
  const own = ['--port', ports.gateway, '--temporal-port', ports.temporal, '--ui-port', ports.ui].map(String);
  const node = await startChild({
    args: [MAIN, 'up', ...own],
    cwd: home,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      HOLDFAST_HOME: home,
      HOLDFAST_CONFIG: configPath,
      HOLDFAST_TEMPORAL_CLI: binary.path,
      [PROVIDER_KEY]: 'any',
    },
    readyLine: /^ready$/m,
    readyWithinMs: READY_WITHIN_MS,
  });
  rememberNode(home, node.pid);
  const server = serverOf(home);
  if (server) killWithUs(server.pid);
  return node;
}

/** The Temporal server of a home; null when none runs. */
export function serverOf(home: string): ProcessIdentity | null {
  const state = readServerState(home);
  return state && isRunning(state) ? state : null;
}

/** Gives how many processes got a SIGKILL. */
export function strike(node: Child, home: string, fault: FaultKind): number {
  const server = serverOf(home);
  let kills = 0;
  if (fault === 'terminate') node.signal('SIGTERM');
  if (fault === 'kill-node' || fault === 'kill-both') {
    node.signal('SIGKILL');
    kills += 1;
  }
  if (server && (fault === 'kill-server' || fault === 'kill-both')) {
    process.kill(server.pid, 'SIGKILL');
    kills += 1;
  }
  return kills;
}
