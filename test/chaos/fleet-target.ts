/** Holdfast as a fleet: two nodes, PostgreSQL, Redis and a Temporal cluster, each of which can be killed. */
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { openPostgresLedger } from '../../src/stores/postgres/open-postgres-ledger.ts';
import { startNativeStack, type FleetNode, type NativeStack } from '../support/fleet/native-stack.ts';
import { keyOf, PROVIDER_KEY } from './campaign-config.ts';
import { createHoldfastApi } from './holdfast-api.ts';
import type { FaultPlan } from './plan.ts';
import type { Target } from './target.ts';

const READY_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 50;

export async function createFleetTarget(config: string): Promise<Target> {
  const stack = await startNativeStack({ config, nodes: 2, env: { [PROVIDER_KEY]: 'any' } });
  const [first] = stack.nodes;
  if (!first) throw new Error('the fleet has no node');

  return {
    urls: stack.nodes.map(({ url }) => url),
    start: () => untilReady(stack),
    async hit(fault) {
      const at = Date.now();
      const { kills, revive } = await strike(stack, fault);
      const restartedAt = Date.now();
      await revive();
      await untilReady(stack);
      return { at, restartedAt, kills, noticedAfterMs: null };
    },
    stop: () => stack.close(),
    abandon() {
      for (const node of stack.nodes) node.child().signal('SIGKILL');
      stack.close().catch((error: unknown) => process.stderr.write(`the fleet did not close: ${String(error)}\n`));
    },
    ...createHoldfastApi(first.url),
    async abandonUnknown() {
      const masterKey = Buffer.from(stack.env['HOLDFAST_MASTER_KEY'] ?? '', 'base64');
      const { ledger } = await openPostgresLedger({ url: stack.databaseUrl, masterKey });
      try {
        await ledger.abandonUnknown(Date.now() + 1);
      } finally {
        await ledger.close();
      }
    },
    keyOf,
  };
}

/** Sends the signals, waits until those that got them are gone, and gives the way to start them again. */
async function strike(
  { nodes, temporal, postgres, redis }: NativeStack,
  { kind, node }: FaultPlan,
): Promise<{ kills: number; revive(): Promise<void> }> {
  const struck = kind === 'kill-both' ? nodes : nodes.slice(node, node + 1);
  switch (kind) {
    case 'terminate':
      for (const one of struck) await leave(one);
      return { kills: 0, revive: () => startAll(struck) };
    case 'kill-node':
    case 'kill-both':
      await Promise.all(struck.map((one) => one.kill()));
      return { kills: struck.length, revive: () => startAll(struck) };
    case 'kill-server':
      await temporal.kill();
      return { kills: 1, revive: () => temporal.start() };
    case 'kill-postgres':
      await postgres.stop('SIGKILL');
      return { kills: 1, revive: () => postgres.start() };
    case 'kill-redis':
      await redis.kill();
      return { kills: 1, revive: () => redis.start() };
  }
}

async function leave(node: FleetNode): Promise<void> {
  node.child().signal('SIGTERM');
  await node.child().exited;
}

async function startAll(nodes: readonly FleetNode[]): Promise<void> {
  for (const node of nodes) await node.start();
}

/** Until every node takes calls; one that has left because its Temporal server was gone is started, as a supervisor would. */
async function untilReady({ nodes }: NativeStack): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (const node of nodes) {
    while (!(await isReady(node))) {
      if (Date.now() > deadline) throw new Error(`a node is not ready:\n${node.child().output()}`);
      if (node.child().hasEnded) await startAgain(node);
      await delay(LOOK_EVERY_MS);
    }
  }
}

/** What it needs may still be on its way. */
async function startAgain(node: FleetNode): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    process.stderr.write(`a start failed: ${String(error)}\n`);
  }
}

async function isReady({ url }: FleetNode): Promise<boolean> {
  try {
    const { statusCode, body } = await request(`${url}/health/ready`);
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  }
}
