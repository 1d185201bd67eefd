/** `kill -9` in the middle of a stream of work in the background: the job goes on, and its text where the client stood. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { until } from '../support/test-node.ts';
import { createUpHome, type UpHome, type UpProcess } from '../support/up-process.ts';

const DELTAS = 6;
let simulator: Simulator;
let home: UpHome;
let up: UpProcess;

beforeAll(async () => {
  simulator = await startSimulator();
  home = await createUpHome(`
providers:
  sim: { kind: simulated, baseUrl: "${simulator.url}/v1", allowPrivateAddress: true }
models:
  live: { targets: [{ provider: sim, model: sim-small+holds=${String(DELTAS)} }] }
  live-once: { targets: [{ provider: sim, model: sim-small+holds=${String(DELTAS)}+once=1 }] }
tenants:
  default: { budgets: [{ limitUsd: 1, period: day, hard: true }] }
`);
  up = await home.start();
});
afterAll(async () => {
  await up.stop();
  await home.remove();
  await simulator.close();
});

function ask(model: string, name: string, isStream: boolean, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${home.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': name,
      'x-holdfast-mode': 'background',
      ...headers,
    },
    body: JSON.stringify({
      model,
      max_tokens: 100,
      stream: isStream,
      messages: [{ role: 'user', content: name }],
    }),
  });
}

/** Reads what the job gives out before it waits. The connection goes with the process that is killed next. */
async function readHeld(response: Response): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let raw = '';
  while (deltasIn(raw).length < DELTAS) {
    const next = await reader?.read();
    if (!next || next.done) throw new Error(`the stream ended early: ${raw}`);
    raw += next.value;
  }
  reader?.read().catch(() => undefined);
  return raw;
}

async function crash(): Promise<void> {
  await up.kill();
  up = await home.start();
}

async function wholeOf(model: string, name: string): Promise<{ text: string; attempts: string[] }> {
  const response = await ask(model, name, false);
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  const id = response.headers.get('x-holdfast-call-id') ?? '';
  const call = (await (await fetch(`${home.url}/api/v1/calls/${id}`)).json()) as CallView;
  return { text: choices[0]?.message.content ?? '', attempts: call.attempts.map(({ state }) => state) };
}

const jobsOf = (name: string) => simulator.seen.filter(({ body }) => JSON.stringify(body).includes(`"${name}"`)).length;
const idsIn = (sse: string) => [...sse.matchAll(/^id: (.+)$/gm)].map(([, id = '']) => id);
const placeOf = (id = '') => Number(id.split('.').at(-1));

function deltasIn(sse: string): string[] {
  const chunks = [...sse.matchAll(/^data: (\{.*"choices".*\})$/gm)].map(([, data = '']) => JSON.parse(data) as unknown);
  return (chunks as { choices: { delta: { content?: string } }[] }[]).flatMap(
    ({ choices }) => choices[0]?.delta.content || [],
  );
}

it('G2 G7 the text goes on exactly where the client stood, after two deaths: one job, one attempt', async () => {
  const before = await readHeld(await ask('live', 'twice dead', true));
  const lastEventId = idsIn(before).at(-1) ?? '';
  const streams = simulator.streams;
  await crash();
  await until('the next process has taken the stream up', () => simulator.streams - streams === 1);
  await crash();
  const resumed = ask('live', 'twice dead', true, { 'last-event-id': lastEventId });
  await until('the third has it', () => simulator.streams - streams === 2);
  expect(simulator.working).toBe(1);
  simulator.release();
  const after = await (await resumed).text();

  expect(placeOf(idsIn(after)[0])).toBe(placeOf(lastEventId) + 1);
  expect(idsIn(after)[0]?.split('.')[1]).toBe(lastEventId.split('.')[1]);
  const whole = await wholeOf('live', 'twice dead');
  expect([...deltasIn(before), ...deltasIn(after)].join('')).toBe(whole.text);
  expect(after).toContain('[DONE]');
  expect(after).not.toContain('"role":"assistant"');
  expect(whole.attempts).toEqual(['settled']);
  expect(jobsOf('twice dead')).toBe(1);
});

it('G2 G7 a stream that cannot be had again is told as lost, or rolled back, to who holds a part of it', async () => {
  const before = await readHeld(await ask('live-once', 'not again', true));
  const lastEventId = idsIn(before).at(-1) ?? '';
  const asked = simulator.asked;
  await crash();
  const told = ask('live-once', 'not again', true, { 'last-event-id': lastEventId });
  await until('the answer is asked for in one piece', () => simulator.asked > asked);
  simulator.release();
  const error = await (await told).text();
  expect(error).toContain('outcome_unknown');
  expect(error).not.toContain('[DONE]');

  const headers = { 'last-event-id': lastEventId, 'x-holdfast-stream': 'rollback' };
  const restarted = await (await ask('live-once', 'not again', true, headers)).text();
  expect(restarted).toMatch(/^event: attempt-rollback/m);
  const whole = await wholeOf('live-once', 'not again');
  expect(deltasIn(restarted).join('')).toBe(whole.text);
  expect(whole.attempts).toEqual(['settled']);
  expect(jobsOf('not again')).toBe(1);
});
