/**
 * Test support: the fleet shape on loopback, without containers: PostgreSQL, Redis, a Temporal server on that PostgreSQL,
 * and nodes as processes. No test runner in here, so that campaigns can use it too.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../../src/temporal/server/free-ports.ts';
import { startChild, type Child } from '../../chaos/child-process.ts';
import { startCluster, type PostgresCluster } from '../postgres/cluster.ts';
import { startRedis, type TestRedis } from '../redis/server.ts';
import { startTemporalCluster, type TemporalCluster } from './temporal-cluster.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const READY_WITHIN_MS = 60_000;

export interface FleetNode {
  url: string;
  home: string;
  /** The process that runs now. */
  child(): Child;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again after its end, on the same port and home. */
  start(): Promise<void>;
}

export interface NativeStack {
  postgres: PostgresCluster;
  redis: TestRedis;
  temporal: TemporalCluster;
  /** Of the ledger. */
  databaseUrl: string;
  /** For a process that works with this stack: a node, a command. `HOLDFAST_HOME` is the caller's. */
  env: Record<string, string>;
  nodes: FleetNode[];
  /** One more node, started. */
  addNode(): Promise<FleetNode>;
  close(): Promise<void>;
}

export interface NativeStackOptions {
  /** YAML of a node without `stores` and `gateway`. */
  config: string;
  /** Started at once. Default 2. */
  nodes?: number;
  env?: Record<string, string>;
}

export async function startNativeStack({ config, nodes = 2, env = {} }: NativeStackOptions): Promise<NativeStack> {
  const undo: (() => Promise<void>)[] = [];
  const close = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-fleet-'));
    undo.push(() => rm(folder, { recursive: true, force: true }));
    const postgres = await startCluster();
    undo.push(() => postgres.close());
    const redis = await startRedis();
    undo.push(() => redis.close());
    const databaseUrl = await postgres.newSchema();
    const { port, username } = new URL(databaseUrl);
    const temporal = await startTemporalCluster({ postgresPort: Number(port), user: username });
    undo.push(() => temporal.close());
    const configPath = join(folder, 'holdfast.yaml');
    const stores = 'stores: { ledger: postgres, postgresUrl: env:DATABASE_URL, hot: redis, redisUrl: env:REDIS_URL }';
    await writeFile(configPath, `${config}\n${stores}\n`);
    const stackEnv: Record<string, string> = {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      HOLDFAST_CONFIG: configPath,
      HOLDFAST_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
      DATABASE_URL: databaseUrl,
      REDIS_URL: redis.url,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      ...env,
    };
    const all: FleetNode[] = [];
    const addNode = async (): Promise<FleetNode> => {
      const home = join(folder, `node-${String(all.length + 1)}`);
      const node = await startFleetNode(home, stackEnv);
      all.push(node);
      undo.push(() => node.kill());
      return node;
    };
    // One after the other: the first makes the ledger's schema and the search attributes.
    for (let n = 0; n < nodes; n++) await addNode();
    return { postgres, redis, temporal, databaseUrl, env: stackEnv, nodes: all, addNode, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startFleetNode(home: string, env: Record<string, string>): Promise<FleetNode> {
  const [port = 0] = await freePorts(1);
  const launch = () =>
    startChild({
      args: [MAIN, 'up', '--port', String(port)],
      env: { ...env, HOLDFAST_HOME: home },
      readyLine: /^ready$/m,
      readyWithinMs: READY_WITHIN_MS,
    });
  let child = await launch();
  return {
    url: `http://127.0.0.1:${String(port)}`,
    home,
    child: () => child,
    async kill() {
      if (child.hasEnded) return;
      child.signal('SIGKILL');
      await child.exited;
    },
    async start() {
      child = await launch();
    },
  };
}
