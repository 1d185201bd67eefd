/** `holdfast up`: one home, one Temporal server, one node. Or the same node against a cluster that the environment names. */
import { join } from 'node:path';
import pino from 'pino';
import type { NativeConnection } from '@temporalio/worker';
import { HoldfastError } from '../core/errors.ts';
import type { ProviderSettings, Settings } from '../core/settings.ts';
import { startSimulator, type Simulator } from '../simulator/simulator.ts';
import { connectNative, resolveTemporalTarget } from '../temporal/connection.ts';
import { startEmbeddedServer, type EmbeddedServer } from '../temporal/server/embedded-server.ts';
import { findServerBinary } from '../temporal/binary/find-server-binary.ts';
import { lockHome } from '../temporal/server/home-lock.ts';
import { installRuntime } from '../temporal/runtime.ts';
import { registerSearchAttributes } from '../temporal/search-attributes.ts';
import { openServerLog } from '../temporal/server/server-log.ts';
import { startNode } from './node.ts';

export interface EmbeddedOptions {
  home: string;
  settings: Settings;
  env: NodeJS.ProcessEnv;
  temporalPort?: number;
  uiPort?: number;
  onProgress(line: string): void;
  /** Time between maintenance sweeps. Default 30 s. */
  sweepEveryMs?: number;
  /** Ends the start-up at its next step, and what was started is stopped. Means nothing once the start-up has ended. */
  signal?: AbortSignal;
}

export interface EmbeddedHoldfast {
  url: string;
  /** Address of the Temporal server, and of its UI where it is ours. */
  temporal: { address: string; namespace: string; uiUrl: string | null; reused: boolean };
  /** Providers that are simulated. */
  simulated: readonly string[];
  /** Requests at providers now. */
  liveAttempts(): number;
  /** Rejects when a worker fails. */
  running: Promise<void>;
  /** Lets calls in flight end, then stops what was started here. */
  stop(): Promise<void>;
}

type Undo = () => Promise<void> | void;

export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedHoldfast> {
  // Every step that succeeded has an undo; a failure on the way, and the end, undo them, last first.
  const undo: Undo[] = [];
  const stop = async () => {
    const failures: unknown[] = [];
    for (let step = undo.pop(); step; step = undo.pop()) {
      try {
        await step();
      } catch (error) {
        // The server and the lock must go all the same.
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'stopping did not go cleanly');
  };
  try {
    return await start(options, undo, stop);
  } catch (error) {
    await stop().catch((failure: unknown) => options.onProgress(String(failure)));
    throw error;
  }
}

async function start(options: EmbeddedOptions, undo: Undo[], stop: () => Promise<void>): Promise<EmbeddedHoldfast> {
  const { home, env, sweepEveryMs, signal } = options;
  const lock = lockHome(home);
  undo.push(() => lock.release());
  const log = openServerLog(join(home, 'holdfast.log'));
  const logger = pino({ base: undefined }, pino.destination({ fd: log.fd, sync: true }));
  installRuntime((level, message, meta) => {
    if (level === 'WARN' || level === 'ERROR') logger.warn({ temporal: meta }, message);
  });

  const engine = await connect(options, undo);
  signal?.throwIfAborted();
  const simulator = await simulate(options.settings);
  undo.push(() => simulator?.close());
  const settings = simulator ? withSimulator(options.settings, simulator) : options.settings;
  const node = await startNode({
    settings,
    home,
    env,
    connection: engine.connection,
    namespace: engine.namespace,
    logger,
    // One node to a home, held by its lock, and the server is the home's own.
    isAlone: engine.server !== null,
    uiOrigins: engine.server ? loopbackOrigins(engine.server.uiUrl) : [],
    ...(sweepEveryMs !== undefined && { sweepEveryMs }),
  });
  undo.push(() => node.drain());
  signal?.throwIfAborted();
  return {
    url: node.url,
    temporal: {
      address: engine.address,
      namespace: engine.namespace,
      uiUrl: engine.server?.uiUrl ?? null,
      reused: engine.server?.reused ?? false,
    },
    simulated: [...settings.providers.values()].filter(({ kind }) => kind === 'simulated').map(({ name }) => name),
    liveAttempts: () => node.liveAttempts(),
    running: node.running,
    stop,
  };
}

interface Engine {
  connection: NativeConnection;
  address: string;
  namespace: string;
  /** Null when the environment names a cluster. */
  server: EmbeddedServer | null;
}

async function connect(
  { home, env, settings, temporalPort, uiPort, onProgress, signal }: EmbeddedOptions,
  undo: Undo[],
): Promise<Engine> {
  const target = resolveTemporalTarget(env);
  if (target.kind !== 'external' && settings.ledgerStore.kind === 'postgres') {
    throw new HoldfastError(
      'invalid_request',
      "A ledger in PostgreSQL needs a Temporal cluster that all its nodes share: to a home's own server the calls of other nodes would look lost. Set TEMPORAL_ADDRESS, or stores.ledger: sqlite.",
    );
  }
  if (target.kind === 'external') {
    const connection = await connectNative(target.connectionOptions);
    undo.push(() => connection.close());
    await registerSearchAttributes(connection, target.namespace);
    return { connection, address: target.connectionOptions.address ?? '', namespace: target.namespace, server: null };
  }
  // A download or a build may take minutes, and nothing has been started yet that would have to be stopped.
  const binary = await abortable(findServerBinary({ env, onProgress }), signal);
  const server = await startEmbeddedServer({
    home,
    binary,
    ...(temporalPort !== undefined && { port: temporalPort }),
    ...(uiPort !== undefined && { uiPort }),
    ...codecEndpointOf(settings),
    onProgress,
  });
  undo.push(() => server.stop());
  signal?.throwIfAborted();
  const connection = await connectNative({ address: server.address });
  undo.push(() => connection.close());
  return { connection, address: server.address, namespace: server.namespace, server };
}

/** Known before the gateway listens, unless it takes any port. */
function codecEndpointOf({ gateway: { port }, security }: Settings): { codecEndpoint?: string } {
  return security.encryptHistories && port !== 0 ? { codecEndpoint: `http://127.0.0.1:${String(port)}/codec` } : {};
}

/** People open it by either name. */
function loopbackOrigins(uiUrl: string): string[] {
  const { port } = new URL(uiUrl);
  return [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Simulated providers without an address share one simulator in this process. */
async function simulate(settings: Settings): Promise<Simulator | null> {
  return [...settings.providers.values()].some(needsSimulator) ? startSimulator() : null;
}

function withSimulator(settings: Settings, simulator: Simulator): Settings {
  const providers = [...settings.providers].map(([name, provider]): [string, ProviderSettings] => [
    name,
    needsSimulator(provider) ? { ...provider, baseUrl: `${simulator.url}/v1` } : provider,
  ]);
  return { ...settings, providers: new Map(providers) };
}

function needsSimulator({ kind, baseUrl }: ProviderSettings): boolean {
  return kind === 'simulated' && baseUrl === '';
}
