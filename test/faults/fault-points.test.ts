/** G1, G2, G3 and G4 at each boundary of a call: a crash, or a part that fails, and what holds all the same. */
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTemporalClient } from '../../src/client/temporal-client.ts';
import type { CallView } from '../../src/core/ports/ledger.ts';
import { FAULT_POINTS } from '../../src/core/ports/fault-points.ts';
import { until } from '../support/test-node.ts';
import { openFaultStage, type FaultNode, type FaultStage } from './fault-stage.ts';
import { scenarios, type Scenario } from './scenarios.ts';

const PROMPT = 'What is promised at this boundary?';
/** Longer than SQLite waits for another process's lock. */
const LOCK_MS = 5_500;

let stage: FaultStage;
/** The same request always has the same answer and the same price. */
let truth: { text: string; costNanoUsd: string };

beforeAll(async () => {
  stage = await openFaultStage(`
gateway: { port: 0 }
providers:
  sim: { kind: simulated, baseUrl: "SIM/v1", allowPrivateAddress: true }
models:
  plain: { targets: [{ provider: sim, model: sim-small+delay=20 }] }
  stream: { targets: [{ provider: sim, model: sim-small+pace=15 }] }
  careful: { targets: [{ provider: sim, model: sim-small+delay=20 }], onUnknown: fail }
  down: { targets: [{ provider: sim, model: sim-small+status=503 }], retries: { maxAttempts: 1 } }
tenants:
  default: { timeZone: Europe/Berlin, budgets: [{ limitUsd: 1, period: day }, { limitUsd: 9, period: total }] }
`);
  const { url } = await stage.node();
  const first = await ask(url, 'plain', 'truth');
  truth = { text: first.text, costNanoUsd: (await callOf(url, first.callId)).costNanoUsd };
  expect(BigInt(truth.costNanoUsd)).toBeGreaterThan(0n);
});
afterAll(() => stage.close());

interface Reply {
  status: number | 'lost';
  /** Of the answer: the same whether it came in one piece or as a stream. */
  text: string;
  callId: string;
}

function body(model: string) {
  return { model, max_tokens: 100, messages: [{ role: 'user' as const, content: PROMPT }] };
}

async function ask(url: string, model: Scenario['model'], key: string | null): Promise<Reply> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== null && { 'idempotency-key': key }) },
      body: JSON.stringify({ ...body(model), stream: model === 'stream' }),
    });
    const text = await response.text();
    const callId = response.headers.get('x-holdfast-call-id') ?? '';
    return { status: response.status, text: response.ok ? contentOf(text, model === 'stream') : text, callId };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { status: 'lost', text: '', callId: '' };
  }
}

interface Piece {
  choices: { message?: { content: string }; delta?: { content?: string } }[];
}

function contentOf(text: string, isStream: boolean): string {
  if (!isStream) return (JSON.parse(text) as Piece).choices[0]?.message?.content ?? '';
  expect(text.trimEnd().endsWith('data: [DONE]'), text.slice(-300)).toBe(true);
  return [...text.matchAll(/^data: (\{.*\})$/gm)]
    .map(([, json = '']) => (JSON.parse(json) as Piece).choices[0]?.delta?.content ?? '')
    .join('');
}

async function callOf(url: string, callId: string): Promise<CallView> {
  return (await (await fetch(`${url}/api/v1/calls/${callId}`)).json()) as CallView;
}

/** Holds stand for unknown attempts alone, every window's sums are those of its holds, and what calls cost is charged, in
 * the day in which they came. */
function expectExactMoney(): void {
  const database = new DatabaseSync(stage.ledger, { readOnly: true });
  try {
    const leaked = database.prepare(
      `select count(*) as n from holds join attempts on attempts.call_id = holds.call_id and attempts.n = holds.n
       where held_nano_usd > 0 and attempts.state <> 'unknown'`,
    );
    expect(leaked.get()).toEqual({ n: 0 });
    const uncovered = database.prepare(
      `select count(*) as n from attempts where state = 'unknown' and not exists
       (select 1 from holds where holds.call_id = attempts.call_id and holds.n = attempts.n and held_nano_usd > 0)`,
    );
    expect(uncovered.get()).toEqual({ n: 0 });
    const wrong = database.prepare(
      `select count(*) as n from budget_windows as w where held_nano_usd <> coalesce(
         (select sum(held_nano_usd) from holds as h where h.scope = w.scope and h.period = w.period and h.window_start = w.window_start), 0)
       or spent_nano_usd <> coalesce(
         (select sum(spent_nano_usd) from holds as h where h.scope = w.scope and h.period = w.period and h.window_start = w.window_start), 0)`,
    );
    expect(wrong.get()).toEqual({ n: 0 });
    const elsewhere = database.prepare(
      `select count(*) as n from holds join calls on calls.id = holds.call_id
       where period = 'day' and n = 1 and (created_at < window_start or created_at - window_start > 25 * 3600000)`,
    );
    expect(elsewhere.get()).toEqual({ n: 0 });
    const booked = database.prepare(
      `select (select sum(cost_nano_usd) from calls) as cost,
       (select sum(spent_nano_usd) from budget_windows where period = 'total') as total,
       (select sum(spent_nano_usd) from budget_windows where period = 'day') as days`,
    );
    const { cost, total, days } = booked.get() ?? {};
    expect({ total, days }).toEqual({ total: cost, days: cost });
  } finally {
    database.close();
  }
}

async function disturb(node: FaultNode, meanwhile: Scenario['meanwhile']): Promise<() => Promise<void>> {
  await node.reached();
  if (meanwhile === 'engine-killed') {
    await stage.server.kill();
    node.goOn();
    return () => stage.server.restart();
  }
  if (meanwhile === 'call-cancelled') {
    const { calls } = (await (await fetch(`${node.url}/api/v1/calls?limit=1`)).json()) as { calls: CallView[] };
    await fetch(`${node.url}/api/v1/calls/${calls[0]?.id ?? ''}/cancel`, { method: 'POST' });
    node.goOn();
    return () => Promise.resolve();
  }
  const other = new DatabaseSync(stage.ledger);
  other.exec('begin immediate');
  node.goOn();
  await delay(LOCK_MS);
  other.exec('rollback');
  other.close();
  return () => Promise.resolve();
}

async function start(node: FaultNode, { isInline, model }: Scenario, key: string): Promise<Reply> {
  if (!isInline) return ask(node.url, model, key);
  await createTemporalClient({ client: stage.client }).start(body(model), { idempotencyKey: key });
  await node.exited;
  return { status: 'lost', text: '', callId: '' };
}

it.each(scenarios)('$point ($action.do): $promise', async (scenario) => {
  const { point, action, times, meanwhile, model, outcome } = scenario;
  const key = scenario.promise.slice(0, 250);
  const node = await stage.node();
  const before = stage.simulator.count;
  await node.arm({ point, action, ...(times !== undefined && { times }) });
  const asked = start(node, scenario, key);
  const restore = meanwhile && (await disturb(node, meanwhile));
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
  expectExactMoney();
});

it('a call without a key that was accepted when its node was killed is ended, not started: no one could get its answer', async () => {
  const node = await stage.node();
  const before = stage.simulator.count;
  await node.arm({ point: 'after-accept', action: { do: 'kill' } });
  expect(await ask(node.url, 'plain', null)).toMatchObject({ status: 'lost' });
  await node.exited;
  const { url } = await stage.node();
  const { calls } = (await (await fetch(`${url}/api/v1/calls?limit=1`)).json()) as { calls: CallView[] };
  expect(calls[0]).toMatchObject({ state: 'ended', outcome: 'cancelled', costNanoUsd: '0', attempts: [] });
  expect(stage.simulator.count).toBe(before);
  expectExactMoney();
});

it('every workflow has closed, with the outcome that the ledger has', async () => {
  const { url } = await stage.node();
  const { calls } = (await (await fetch(`${url}/api/v1/calls?limit=1000`)).json()) as { calls: CallView[] };
  // One call for each scenario, the baseline, and those that failed at their start.
  expect(calls.length).toBeGreaterThan(scenarios.length);
  for (const { id, outcome, attempts } of calls) {
    if (attempts.length === 0) continue;
    const handle = stage.client.workflow.getHandle(id);
    await until(`${id} has closed`, async () => (await handle.describe()).status.name !== 'RUNNING', 30_000);
    expect(await handle.result()).toMatchObject({ outcome });
  }
});

it('every fault point has a scenario', () => {
  expect(new Set(scenarios.map(({ point }) => point))).toEqual(new Set(FAULT_POINTS));
});

it('every fault point is a boundary in the code, and nothing that is released can switch one on', () => {
  const read = (path: string) => readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8');
  const boundaries = [
    'gateway/call-service.ts',
    'activities/call-steps.ts',
    'attempts/run-attempt.ts',
    'attempts/dispatch-attempt.ts',
  ];
  const reached = boundaries.flatMap((path) => [...read(path).matchAll(/faults\?\.reach\('([a-z-]+)'/g)]);
  expect(reached.map(([, name]) => name).sort()).toEqual([...FAULT_POINTS].sort());
  for (const path of ['gateway/embedded.ts', 'config/schema.ts', 'core/settings.ts', 'cli/commands/up.ts']) {
    expect(read(path)).not.toMatch(/\bfault/i);
  }
});
