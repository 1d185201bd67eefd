import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { isRunning, type ProcessIdentity } from '../process/process-identity.ts';
import { makeHome } from './make-home.ts';
import { removeUnfinishedDatabase } from './remove-unfinished-database.ts';
import { requireFreePort } from './require-free-port.ts';
import { serverArguments, tunedFlags } from './server-flags.ts';
import { waitUntilReady } from './server-readiness.ts';
import { hashFlags, homeIdentity, readServerState, removeServerState, writeServerState } from './server-state.ts';
import type { ServerState } from './server-state.ts';
import { spawnServer } from './spawn-server.ts';
import { stopProcess } from '../process/stop-process.ts';

export interface EmbeddedServerOptions {
  /** HOLDFAST_HOME. The caller must own it: see `lockHome`. */
  home: string;
  /** Default 7233. */
  port?: number;
  /** Default 8233. */
  uiPort?: number;
  binary: { path: string; version: string };
  /** Where the UI has sealed payloads opened; default nowhere. */
  codecEndpoint?: string;
  /** Default `tunedFlags`. */
  flags?: readonly string[];
  /** How long the server may take to be ready. Default 30 s. */
  readyWithinMs?: number;
  /** How long one from an earlier run may take to answer before it is replaced. Default 10 s. */
  reuseWithinMs?: number;
  /** How long a server may take to end before it is killed. Default 10 s. */
  stopGraceMs?: number;
  onProgress?: (line: string) => void;
}

export interface EmbeddedServer {
  /** `127.0.0.1:<port>` */
  address: string;
  namespace: string;
  uiUrl: string;
  pid: number;
  /** True when an earlier owner of this home had started it. */
  reused: boolean;
  /** False once the process is gone, whoever ended it: then start it again. */
  isRunning: () => boolean;
  /** SIGTERM, after `stopGraceMs` SIGKILL. Resolves when the process is gone; repeats are harmless. */
  stop: () => Promise<void>;
}

const NAMESPACE = 'default';
const DB_FILENAME = 'temporal.db';

/** The database of a home's Temporal server. */
export const historiesPath = (home: string) => join(home, DB_FILENAME);

const START_TRIES = 3;
/** Matches nothing that runs. */
const NO_PROCESS: ProcessIdentity = { pid: 0, startTime: '' };

type Wanted = Omit<ServerState, 'pid' | 'startTime'>;

/**
 * Starts the Temporal development server of a home as a detached child, or takes over the one that a killed owner left
 * behind when its version, flags and ports are the wanted ones. Resolves when the server takes calls.
 * Throws `engine_unavailable` when a port is taken, the server dies early, or it is not ready in time.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { port = 7233, uiPort = 8233, binary, codecEndpoint, flags = tunedFlags, onProgress } = options;
  const { readyWithinMs = 30_000, reuseWithinMs = 10_000, stopGraceMs = 10_000 } = options;
  makeHome(options.home);
  const home = realpathSync(options.home);
  const args = serverArguments({ port, uiPort, dbFilename: DB_FILENAME, codecEndpoint }, flags);
  const wanted: Wanted = {
    home: homeIdentity(home),
    version: binary.version,
    flagsHash: hashFlags(args),
    port,
    uiPort,
  };

  const left = leftBehind(home);
  if (left !== undefined && isWanted(left, wanted)) {
    const server = describe(home, left, { reused: true, stopGraceMs });
    if (await isStillGood(server, reuseWithinMs, onProgress)) return server;
  }
  const ours = left === undefined ? [] : [left.port, left.uiPort];
  await requireFreePorts(wanted, ours);
  if (left !== undefined) {
    onProgress?.(`stopping the Temporal server of an earlier run (pid ${left.pid})`);
    await stopProcess(left, { graceMs: stopGraceMs });
    await requireFreePorts(wanted, []);
  }
  if (removeUnfinishedDatabase(historiesPath(home), NAMESPACE)) {
    onProgress?.('the first start of the Temporal server was cut short; it starts over');
  }
  const input = { home, args, wanted, path: binary.path, readyWithinMs, stopGraceMs };
  for (let tries = 1; ; tries += 1) {
    try {
      return await startServer(input);
    } catch (error) {
      if (tries === START_TRIES || !isPortClash(error)) throw error;
      // The server chooses its internal ports by itself and may lose them before it listens. Ours are checked again.
      await requireFreePorts(wanted, []);
      onProgress?.('the Temporal server lost a port to another process while it started; starting it again');
    }
  }
}

function isPortClash(error: unknown): boolean {
  return error instanceof Error && error.message.includes('address already in use');
}

function leftBehind(home: string): ServerState | undefined {
  const state = readServerState(home);
  return state !== undefined && isRunning(state) ? state : undefined;
}

function isWanted(left: ServerState, wanted: Wanted): boolean {
  return left.version === wanted.version && left.flagsHash === wanted.flagsHash;
}

async function isStillGood(
  server: EmbeddedServer,
  withinMs: number,
  onProgress?: (line: string) => void,
): Promise<boolean> {
  try {
    await waitUntilReady({ ...server, withinMs, assertAlive: () => assertRunning(server) });
    return true;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    onProgress?.(`the Temporal server of an earlier run (pid ${server.pid}) is of no use: ${reason}`);
    return false;
  }
}

function assertRunning(server: EmbeddedServer): void {
  if (!server.isRunning()) throw new HoldfastError('engine_unavailable', `The process ${server.pid} ended.`);
}

async function requireFreePorts({ port, uiPort }: Wanted, ours: readonly number[]): Promise<void> {
  if (port === uiPort) {
    throw new HoldfastError('invalid_request', `--temporal-port and --ui-port are both ${port}: choose two ports.`);
  }
  if (!ours.includes(port)) await requireFreePort(port, '--temporal-port');
  if (!ours.includes(uiPort)) await requireFreePort(uiPort, '--ui-port');
}

interface StartInput {
  home: string;
  args: string[];
  wanted: Wanted;
  path: string;
  readyWithinMs: number;
  stopGraceMs: number;
}

async function startServer({ home, args, wanted, path, readyWithinMs, stopGraceMs }: StartInput) {
  const child = spawnServer({ home, path, args });
  if (child.identity !== undefined) writeServerState(home, { ...wanted, ...child.identity });
  const identity = child.identity ?? NO_PROCESS;
  const server = describe(home, { ...wanted, ...identity }, { reused: false, stopGraceMs });
  try {
    await waitUntilReady({ ...server, withinMs: readyWithinMs, assertAlive: child.assertAlive });
    // Someone else may answer on the port that our own child failed to get.
    child.assertAlive();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

function describe(
  home: string,
  state: ServerState,
  { reused, stopGraceMs }: { reused: boolean; stopGraceMs: number },
): EmbeddedServer {
  const identity: ProcessIdentity = { pid: state.pid, startTime: state.startTime };
  return {
    address: `127.0.0.1:${state.port}`,
    namespace: NAMESPACE,
    uiUrl: `http://127.0.0.1:${state.uiPort}`,
    pid: state.pid,
    reused,
    isRunning: () => isRunning(identity),
    stop: async () => {
      await stopProcess(identity, { graceMs: stopGraceMs });
      // A successor may have its own state there by now.
      if (readServerState(home)?.startTime === state.startTime) removeServerState(home);
    },
  };
}
