/**
 * One scenario, played: the fault, what the caller sees, who comes back with its key, and then the provider's truth, the
 * ledger and the money.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { createTemporalClient } from '../../src/client/temporal-client.ts';
import { until } from '../support/test-node.ts';
import { ask, callOf, listCalls, questionTo, type Reply } from './caller.ts';
import { expectExactMoney } from './exact-money.ts';
import { openFaultStage, type FaultNode, type FaultStage } from './fault-stage.ts';
import type { Scenario } from './scenarios.ts';

/** Longer than SQLite waits for another process's lock. */
const LOCK_MS = 5_500;
const CONFIG = `
gateway: { port: 0 }
providers:
  sim: { kind: simulated, baseUrl: "SIM/v1", allowPrivateAddress: true }
models:
  plain: { targets: [{ provider: sim, model: sim-small+delay=20 }] }
  stream: { targets: [{ provider: sim, model: sim-small+pace=15 }] }
  careful: { targets: [{ provider: sim, model: sim-small+delay=20 }], onUnknown: fail }
  down: { targets: [{ provider: sim, model: sim-small+status=503 }], retries: { maxAttempts: 1 } }
  live-job: { targets: [{ provider: sim, model: sim-small+pace=15 }], background: { fromOutputTokens: 1 } }
  job: { targets: [{ provider: sim, model: sim-small+delay=200 }], background: { fromOutputTokens: 1 } }
tenants:
  default: { timeZone: Europe/Berlin, budgets: [{ limitUsd: 1, period: day }, { limitUsd: 9, period: total }] }
`;

export interface World {
  stage: FaultStage;
  /** The same question always has the same answer and the same price. */
  truth: { text: string; costNanoUsd: string };
}

/** Opens a stage before the tests of this file and closes it after them. Gives how to reach it. */
export function useFaultWorld(): () => World {
  let world: World | undefined;
  beforeAll(async () => {
    const stage = await openFaultStage(CONFIG);
    const { url } = await stage.node();
    const { text, callId } = await ask(url, 'plain', 'truth');
    const { costNanoUsd } = await callOf(url, callId);
    expect(BigInt(costNanoUsd)).toBeGreaterThan(0n);
    world = { stage, truth: { text, costNanoUsd } };
  });
  afterAll(() => world?.stage.close());
  return () => {
    if (!world) throw new Error('the world is there only while tests run');
    return world;
  };
}

export async function playScenario({ stage, truth }: World, scenario: Scenario): Promise<void> {
  const { point, action, times, meanwhile, model, outcome } = scenario;
  const key = scenario.promise.slice(0, 250);
  const node = await stage.node();
  const before = stage.simulator.count;
  await node.arm({ point, action, ...(times !== undefined && { times }) });
  const asked = start(stage, node, scenario, key);
  const restore = meanwhile && (await disturb(stage, node, meanwhile));
  if (!meanwhile) await node.reached();
  if (action.do === 'kill') await node.exited;
  const first = await asked;
  await restore?.();
  expect(first.status).toBe(scenario.first);
  // A clock that jumped is right again in the next life.
  if (action.do === 'jump') await node.kill();

  const { url } = await stage.node();
  const again = await ask(url, model, key);
  expect(again.status, again.text).toBe(scenario.again);
  if (outcome === 'succeeded') expect(again.text).toBe(truth.text);
  if (first.status === 200) expect(first).toEqual(again);

  const call = await callOf(url, again.callId);
  expect(call).toMatchObject({
    state: 'ended',
    outcome,
    costNanoUsd: outcome === 'succeeded' ? truth.costNanoUsd : '0',
  });
  expect(call.attempts.map(({ state }) => state)).toEqual(scenario.attempts);
  expect(stage.simulator.count - before).toBe(scenario.hits);
  expectExactMoney(stage.ledger);
}

/** What the ledger says of each call is what the engine knows in the end. */
export async function expectAllClosed({ stage }: World): Promise<void> {
  const { url } = await stage.node();
  const started = (await listCalls(url, 1_000)).filter(({ attempts }) => attempts.length > 0);
  expect(started.length).toBeGreaterThan(10);
  for (const { id, outcome } of started) {
    const handle = stage.client.workflow.getHandle(id);
    await until(`${id} has closed`, async () => (await handle.describe()).status.name !== 'RUNNING', 30_000);
    expect(await handle.result()).toMatchObject({ outcome });
  }
}

/** Does something to the world while the node holds at its point. Gives how to make it good again. */
async function disturb(
  stage: FaultStage,
  node: FaultNode,
  meanwhile: Scenario['meanwhile'],
): Promise<() => Promise<void>> {
  await node.reached();
  if (meanwhile === 'engine-killed') {
    await stage.server.kill();
    node.goOn();
    return async () => {
      await stage.server.restart();
      // The node's own connection is back in its own time.
      await until('the node has its engine', async () => (await fetch(`${node.url}/health/ready`)).ok);
    };
  }
  if (meanwhile === 'call-cancelled') {
    const [call] = await listCalls(node.url, 1);
    await fetch(`${node.url}/api/v1/calls/${call?.id ?? ''}/cancel`, { method: 'POST' });
    node.goOn();
    return () => Promise.resolve();
  }
  // The node holds at its point, and writes of its other work come between all the same.
  const other = new DatabaseSync(stage.ledger, { timeout: LOCK_MS });
  other.exec('begin immediate');
  node.goOn();
  await delay(LOCK_MS);
  other.exec('rollback');
  other.close();
  return () => Promise.resolve();
}

async function start(stage: FaultStage, node: FaultNode, { isInline, model }: Scenario, key: string): Promise<Reply> {
  if (!isInline) return ask(node.url, model, key);
  await createTemporalClient({ client: stage.client }).start(questionTo(model), { idempotencyKey: key });
  await node.exited;
  return { status: 'lost', text: '', callId: '' };
}
