/** G1 and G2 under `kill -9`: what was accepted is answered, and a second dispatch is never silent. */
import { Client, Connection } from '@temporalio/client';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { runCliHere } from '../support/run-cli-here.ts';
import { until } from '../support/test-node.ts';
import { createUpHome, type UpHome, type UpProcess } from '../support/up-process.ts';

const CALLS = 12;
let simulator: Simulator;
let home: UpHome;
let up: UpProcess;

beforeAll(async () => {
  simulator = await startSimulator();
  home = await createUpHome(`
providers:
  sim: { kind: simulated, baseUrl: "${simulator.url}/v1", allowPrivateAddress: true }
models:
  held: { targets: [{ provider: sim, model: sim-small+holds=1 }] }
  streaming: { targets: [{ provider: sim, model: sim-small+holds=4 }] }
  slow: { targets: [{ provider: sim, model: sim-small+delay=2500 }] }
  careful: { targets: [{ provider: sim, model: sim-small+delay=2500 }], onUnknown: fail }
tenants:
  default: { budgets: [{ limitUsd: 1, period: total, hard: true }] }
`);
  up = await home.start();
});
afterAll(async () => {
  await up.stop();
  await home.remove();
  await simulator.close();
});

function ask(model: string, name: string): Promise<Response> {
  return fetch(`${home.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': name },
    body: JSON.stringify({
      model,
      max_tokens: 100,
      stream: model === 'streaming',
      messages: [{ role: 'user', content: name }],
    }),
  });
}

const hitsOf = (name: string) => simulator.seen.filter(({ body }) => JSON.stringify(body).includes(`"${name}"`)).length;

async function getJson<T>(path: string): Promise<T> {
  return (await (await fetch(home.url + path)).json()) as T;
}

it('answers every call that was in flight when the process was killed, and shows each second dispatch', async () => {
  const names = Array.from({ length: CALLS }, (_, index) => `call-${index}`);
  const modelOf = (name: string) => (Number(name.slice(5)) % 3 === 0 ? 'streaming' : 'held');
  const lost = names.map((name) =>
    ask(modelOf(name), name)
      .then((response) => response.text())
      .catch(() => 'lost'),
  );
  await until('every request has reached the provider', () => simulator.count >= CALLS);
  await up.kill();
  await Promise.all(lost);

  up = await home.start();
  expect(up.output()).toContain('taken over from an earlier run');
  const asked = Promise.all(names.map((name) => ask(modelOf(name), name)));
  await until('every request has reached the provider again', () => simulator.count >= 2 * CALLS);
  simulator.release();
  const answers = await asked;
  for (const [index, response] of answers.entries()) {
    const text = await response.text();
    expect(response.status, text).toBe(200);
    expect(text).toContain('[simulated]');
    if (modelOf(names[index]!) === 'streaming') expect(text).toContain('[DONE]');
  }

  const { calls } = await getJson<{ calls: CallView[] }>('/api/v1/calls?limit=1000');
  expect(calls).toHaveLength(CALLS);
  for (const call of calls) {
    expect(call).toMatchObject({ state: 'ended', outcome: 'succeeded' });
    expect(call.attempts.map(({ state }) => state)).toEqual(['unknown', 'settled']);
  }
  // The node that came back told the engine of its predecessor's attempts: no one waited for missed heartbeats.
  const connection = await Connection.connect({ address: home.temporalAddress });
  const client = new Client({ connection });
  for (const { id } of calls) {
    const { events } = await client.workflow.getHandle(id).fetchHistory();
    const failures = (events ?? []).map(({ activityTaskStartedEventAttributes: started }) => started?.lastFailure);
    expect(failures.map((failure) => failure?.applicationFailureInfo?.type).filter(Boolean)).toEqual(['WorkerLost']);
  }
  await connection.close();

  // The ledger's dispatches and the provider's hits are the same number: nothing was paid in silence.
  for (const name of names) expect(hitsOf(name)).toBe(2);

  const listed = await runCliHere(['calls', 'list'], { env: { HOLDFAST_HOME: home.home } });
  const [headings = '', ...lines] = listed.out.trim().split('\n');
  const column = headings.split(/ {2,}/).indexOf('UNKNOWN');
  expect(lines.map((line) => line.split(/ {2,}/)[column])).toEqual(names.map(() => '1'));

  // The holds of the unknown attempts stand, those of the settled ones became charges.
  const { budgets } = await getJson<{ budgets: { heldNanoUsd: string; spentNanoUsd: string }[] }>('/api/v1/budgets');
  const spent = calls.reduce((sum, call) => sum + BigInt(call.costNanoUsd), 0n);
  expect(BigInt(budgets[0]!.spentNanoUsd)).toBe(spent);
  expect(BigInt(budgets[0]!.heldNanoUsd)).toBeGreaterThan(0n);
});

it('with onUnknown: fail, a lost attempt ends the call instead of paying again', async () => {
  const pending = ask('careful', 'careful-1').catch(() => null);
  await until('the request has reached the provider', () => hitsOf('careful-1') === 1);
  await up.kill();
  await pending;
  up = await home.start();
  const response = await ask('careful', 'careful-1');
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ error: { code: 'outcome_unknown' } });
  expect(hitsOf('careful-1')).toBe(1);
});

it('G3 an SDK that repeats a keyless request after the crash is given the call of its first try', async () => {
  const openai = new OpenAI({ apiKey: 'none', baseURL: `${home.url}/v1`, maxRetries: 10 });
  const pending = openai.chat.completions.create({
    model: 'slow',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'no key' }],
  });
  await until('the request has reached the provider', () => hitsOf('no key') === 1);
  await up.kill();
  up = await home.start();
  expect((await pending).choices[0]?.message.content).toContain('[simulated]');
  const { calls } = await getJson<{ calls: CallView[] }>('/api/v1/calls?limit=1');
  // One call, and the lost attempt is seen: without the repeat's call there would be two, and three hits.
  expect(calls[0]?.attempts.map(({ state }) => state)).toEqual(['unknown', 'settled']);
  expect(hitsOf('no key')).toBe(2);
});

it('lets calls in flight end before it stops on SIGTERM', async () => {
  const pending = ask('slow', 'drained');
  await until('the request has reached the provider', () => hitsOf('drained') === 1);
  const code = await up.stop();
  expect((await pending).status).toBe(200);
  expect(code).toBe(0);
  up = await home.start();
  expect(hitsOf('drained')).toBe(1);
});
