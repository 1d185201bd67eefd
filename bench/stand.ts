/** What the benchmark runs on: a Temporal server, a node, a bare worker beside it, and a simulator in its own process. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import pino from 'pino';
import { Agent, request } from 'undici';
import { parseSettings } from '../src/config/load.ts';
import { startNode } from '../src/gateway/node.ts';
import { providerAdapters } from '../src/providers/registry.ts';
import { connectNative } from '../src/temporal/connection.ts';
import { installRuntime } from '../src/temporal/runtime.ts';
import { startTestServer } from '../test/support/temporal/dev-server.ts';
import type { BareActivities } from './bare-workflow.ts';

/** 500 bytes, as in the figures of the design. */
const PROMPT = 'x'.repeat(500);
const agent = new Agent({ connections: 256, headersTimeout: 0, bodyTimeout: 0 });
const quiet = () => undefined;

export interface Stand {
  client: Client;
  url: string;
  /** One call through the gateway, whole. Gives its id. */
  governed(model?: string): Promise<string>;
  /** One bare workflow, started eagerly, awaited as its caller would. */
  bare(): Promise<void>;
  /** Milliseconds from the start of a bare workflow to that of its activity. */
  bareDispatch(): Promise<number>;
  stop(): Promise<void>;
}

export async function startBenchSimulator(): Promise<{ url: string; stop(): void }> {
  const child: ChildProcess = fork(fileURLToPath(new URL('simulator-process.ts', import.meta.url)));
  const [url] = (await once(child, 'message')) as [string];
  return { url, stop: () => child.kill() };
}

export interface StandOptions {
  /** Of the Temporal server; default the tuned ones. */
  flags?: readonly string[];
  /** Address of a provider that never ends an answer, as `hanging`. */
  hangingUrl?: string;
}

export async function startStand(simulatorUrl: string, { flags, hangingUrl }: StandOptions = {}): Promise<Stand> {
  installRuntime(quiet);
  const home = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  const server = await startTestServer(flags ? { flags } : {});
  const connection = await connectNative({ address: server.address });
  const client = new Client({ connection });
  const config = `
gateway: { port: 0 }
providers:
  sim: { kind: simulated, baseUrl: "${simulatorUrl}/v1", allowPrivateAddress: true }
  hanging: { kind: simulated, baseUrl: "${hangingUrl ?? simulatorUrl}/v1", allowPrivateAddress: true }
tenants: { default: { budgets: [{ limitUsd: 1000000, period: month, hard: true }] } }
`;
  const settings = parseSettings(config, 'bench', { env: {}, adapters: providerAdapters });
  const node = await startNode({
    settings,
    home,
    env: {},
    connection,
    namespace: server.namespace,
    logger: pino({ level: 'silent' }),
  });
  let bareSentAt = 0;
  const activities: BareActivities = {
    async callProvider(body) {
      bareSentAt = performance.now();
      const response = await request(`${simulatorUrl}/v1/chat/completions`, {
        method: 'POST',
        body,
        dispatcher: agent,
      });
      return response.body.text();
    },
  };
  const worker = await Worker.create({
    connection,
    taskQueue: 'bare',
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('bare-workflow.ts', import.meta.url)),
      logger: { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
    }),
    activities,
    maxConcurrentActivityTaskExecutions: 1_000,
    maxConcurrentWorkflowTaskExecutions: 200,
  });
  const bareRunning = worker.run();
  const body = (model: string) =>
    JSON.stringify({ model, max_tokens: 100, messages: [{ role: 'user', content: PROMPT }] });
  let sequence = 0;
  async function bare(): Promise<void> {
    sequence += 1;
    await client.workflow.execute('bare', {
      workflowId: `bare-${String(process.pid)}-${String(sequence)}`,
      taskQueue: 'bare',
      args: [body('sim-small')],
      requestEagerStart: true,
    });
  }
  return {
    client,
    url: node.url,
    async governed(model = 'sim/sim-small') {
      const response = await request(`${node.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: body(model),
        dispatcher: agent,
      });
      const text = await response.body.text();
      if (response.statusCode !== 200) throw new Error(`${String(response.statusCode)}: ${text}`);
      return String(response.headers['x-holdfast-call-id']);
    },
    async bareDispatch() {
      const startedAt = performance.now();
      await bare();
      return bareSentAt - startedAt;
    },
    bare,
    async stop() {
      worker.shutdown();
      await bareRunning;
      await node.drain();
      await connection.close();
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
