/** A whole node on real parts: Temporal server, SQLite, sockets. Only the provider is simulated, and it counts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import pino from 'pino';
import { parseSettings } from '../../src/config/load.ts';
import { startNode, type HoldfastNode } from '../../src/gateway/node.ts';
import { providerAdapters } from '../../src/providers/registry.ts';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { connectNative } from '../../src/temporal/connection.ts';
import { installRuntime } from '../../src/temporal/runtime.ts';
import { startTestServer, type TestServer } from './temporal/dev-server.ts';

export interface TestNode {
  node: HoldfastNode;
  url: string;
  home: string;
  simulator: Simulator;
  server: TestServer;
  connection: NativeConnection;
  client: Client;
  /** All that the node logged. */
  logs: string[];
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  get<T>(path: string, headers?: Record<string, string>): Promise<T>;
  stop(): Promise<void>;
}

export interface TestNodeOptions {
  /** YAML below `providers`; `SIM` in it stands for the simulator's address. */
  config: string;
  env?: Record<string, string>;
}

/** The provider every test knows: the simulator as `sim`. */
export const SIM_PROVIDER = `
  sim: { kind: simulated, baseUrl: SIM/v1, allowPrivateAddress: true }
`;

export async function startTestNode({ config, env = {} }: TestNodeOptions): Promise<TestNode> {
  const logs: string[] = [];
  installRuntime((_level, message, meta) => logs.push(`${message} ${JSON.stringify(meta, stringifyBigint)}`));
  const home = await mkdtemp(join(tmpdir(), 'holdfast-node-'));
  const simulator = await startSimulator();
  const server = await startTestServer();
  const connection = await connectNative({ address: server.address });
  const settings = parseSettings(`gateway: { port: 0 }\n${config.replaceAll('SIM', simulator.url)}`, 'test', {
    env,
    adapters: providerAdapters,
  });
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logs.push(line) });
  const node = await startNode({ settings, home, env, connection, namespace: server.namespace, logger });
  return {
    node,
    url: node.url,
    home,
    simulator,
    server,
    connection,
    client: new Client({ connection, namespace: server.namespace }),
    logs,
    post: (path, body, headers = {}) =>
      fetch(node.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
      }),
    async get<T>(path: string, headers = {}) {
      const response = await fetch(node.url + path, { headers });
      return (await response.json()) as T;
    },
    async stop() {
      await node.drain();
      await connection.close();
      await server.stop();
      await simulator.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

function stringifyBigint(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/**
 * Polls until the condition holds; fails loudly when it never does. The limit is below that of a test, to be the one that
 * speaks, and below the 30 s after which a sweep or a lease makes good what should have happened at once.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
