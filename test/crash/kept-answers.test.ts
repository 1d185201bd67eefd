/** `kill -9` with answers that the provider keeps: nothing is paid for a second time. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { until } from '../support/test-node.ts';
import { createUpHome, type UpHome, type UpProcess } from '../support/up-process.ts';

let simulator: Simulator;
let home: UpHome;
let up: UpProcess;

beforeAll(async () => {
  simulator = await startSimulator();
  home = await createUpHome(`
providers:
  sim: { kind: simulated, baseUrl: "${simulator.url}/v1", allowPrivateAddress: true }
models:
  long: { targets: [{ provider: sim, model: sim-small+holds=1 }] }
  slow-start: { targets: [{ provider: sim, model: sim-small+start=2500 }] }
  paying-again: { targets: [{ provider: sim, model: sim-small+start=2500 }], onUnknown: retry }
  stored: { targets: [{ provider: sim, model: sim-small+pace=60 }] }
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

function ask(model: string, name: string, more: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${home.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': name, ...headers },
    body: JSON.stringify({ model, max_tokens: 100, messages: [{ role: 'user', content: name }], ...more }),
  });
}
const inBackground = (model: string, name: string) => ask(model, name, {}, { 'x-holdfast-mode': 'background' });
const hitsOf = (name: string) => simulator.seen.filter(({ body }) => JSON.stringify(body).includes(`"${name}"`)).length;

async function attemptsOf(response: Response): Promise<string[]> {
  const id = response.headers.get('x-holdfast-call-id') ?? '';
  const call = (await (await fetch(`${home.url}/api/v1/calls/${id}`)).json()) as CallView;
  return call.attempts.map(({ state }) => state);
}

async function crash(): Promise<void> {
  await up.kill();
  up = await home.start();
}

it('G2 a job in the background is collected by the process that comes after: one job, one attempt', async () => {
  const pending = inBackground('long', 'job').catch(() => null);
  await until('the job has begun', () => hitsOf('job') === 1);
  await until('its id is in the ledger', async () => {
    const { calls } = (await (await fetch(`${home.url}/api/v1/calls?limit=1`)).json()) as { calls: CallView[] };
    return calls[0]?.attempts[0]?.state === 'streaming';
  });
  await crash();
  await pending;
  expect(simulator.working).toBe(1);
  simulator.release();
  const response = await inBackground('long', 'job');
  expect(response.status).toBe(200);
  expect(await response.text()).toContain('[simulated]');
  expect(await attemptsOf(response)).toEqual(['settled']);
  expect(hitsOf('job')).toBe(1);
});

it('G2 a job whose id was lost with the process is not begun a second time: its outcome is said to be unknown', async () => {
  const pending = inBackground('slow-start', 'nameless').catch(() => null);
  await until('the provider has the request', () => hitsOf('nameless') === 1);
  await crash();
  await pending;
  const response = await inBackground('slow-start', 'nameless');
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ error: { code: 'outcome_unknown' } });
  expect(await attemptsOf(response)).toEqual(['unknown']);
  expect(hitsOf('nameless')).toBe(1);
});

it('with onUnknown: retry such a job is begun again, and both are shown', async () => {
  const pending = inBackground('paying-again', 'again').catch(() => null);
  await until('the provider has the request', () => hitsOf('again') === 1);
  await crash();
  await pending;
  const response = await inBackground('paying-again', 'again');
  expect(response.status).toBe(200);
  expect(await attemptsOf(response)).toEqual(['unknown', 'settled']);
  expect(hitsOf('again')).toBe(2);
});

/** Reads until some text is there; gives the id of the last event and the text. */
async function readSome(response: Response): Promise<{ lastEventId: string; text: string }> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!/"content":"\[?s/.test(text)) {
    const next = await reader?.read();
    if (!next || next.done) throw new Error(`the stream ended early: ${text}`);
    text += next.value;
  }
  // The connection goes with the process that is killed next.
  reader?.read().catch(() => undefined);
  return { lastEventId: [...text.matchAll(/^id: (.+)$/gm)].at(-1)?.[1] ?? '', text };
}

it('G2 G7 a stored completion whose stream was lost is had again by its id, and who holds a part of it is told', async () => {
  const first = await ask('stored', 'kept', { stream: true, store: true });
  const { lastEventId } = await readSome(first);
  await crash();

  const resumed = await ask('stored', 'kept', { stream: true, store: true }, { 'last-event-id': lastEventId });
  const told = await resumed.text();
  expect(told).toContain('outcome_unknown');
  expect(told).not.toContain('[DONE]');

  const rolledBack = await ask(
    'stored',
    'kept',
    { stream: true, store: true },
    { 'last-event-id': lastEventId, 'x-holdfast-stream': 'rollback' },
  );
  const restarted = await rolledBack.text();
  expect(restarted).toMatch(/^event: attempt-rollback/m);
  const whole = await (await ask('stored', 'kept', { store: true })).json();
  expect(textOf(restarted)).toBe((whole as Completion).choices[0]?.message.content);
  expect(restarted).toContain('[DONE]');

  expect(await attemptsOf(rolledBack)).toEqual(['settled']);
  expect(hitsOf('kept')).toBe(1);
});

interface Completion {
  choices: { message: { content: string } }[];
}

function textOf(sse: string): string {
  const chunks = [...sse.matchAll(/^data: (\{.*"choices".*\})$/gm)].map(([, data = '']) => JSON.parse(data) as unknown);
  return (chunks as { choices: { delta: { content?: string } }[] }[])
    .map(({ choices }) => choices[0]?.delta.content ?? '')
    .join('');
}
