/** Background mode through whole nodes: the provider works on its own, and is asked until it has the answer. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

let test: TestNode;
beforeAll(async () => {
  test = await startTestNode({
    env: { OTHER_KEY: 'sk-ant-other-key' },
    config: `
providers:${SIM_PROVIDER}
  other: { kind: anthropic, baseUrl: SIM, apiKey: env:OTHER_KEY, allowPrivateAddress: true }
models:
  long: { targets: [{ provider: sim, model: sim-small+delay=700 }] }
  first-able: { targets: [{ provider: other, model: sim-small }, { provider: sim, model: sim-small+delay=200 }] }
  unable: { targets: [{ provider: other, model: sim-small }] }
  by-length: { targets: [{ provider: sim, model: sim-small+delay=300 }], background: { fromOutputTokens: 5000 } }
  forgotten: { targets: [{ provider: sim, model: sim-small+delay=60000+keeps=600 }] }
  hanging: { targets: [{ provider: sim, model: sim-small+delay=60000 }] }
  slow-start: { targets: [{ provider: sim, model: sim-small+start=1500+delay=60000 }] }
tenants:
  default: { budgets: [{ limitUsd: 1, period: day, hard: true }] }
`,
  });
});
afterAll(() => test.stop());

const BACKGROUND = { 'x-holdfast-mode': 'background' };
const body = (model: string, content: string, more: object = {}) => ({
  model,
  max_tokens: 60,
  messages: [{ role: 'user' as const, content }],
  ...more,
});
const seenOf = (content: string) =>
  test.simulator.seen.filter((request) => JSON.stringify(request.body).includes(content)).map(({ path }) => path);
const callOf = (response: Response) =>
  test.get<CallView>(`/api/v1/calls/${response.headers.get('x-holdfast-call-id') ?? ''}`);

it('the official OpenAI client gets its answer in one piece, for one job, at its exact cost', async () => {
  const openai = new OpenAI({ apiKey: 'none', baseURL: `${test.url}/v1`, maxRetries: 0, defaultHeaders: BACKGROUND });
  const { data, response } = await openai.chat.completions.create(body('long', 'bg json')).withResponse();
  expect(data.choices[0]?.message.content).toContain('[simulated]');
  expect(data.object).toBe('chat.completion');
  expect(data.usage?.completion_tokens).toBeGreaterThan(0);
  expect(seenOf('bg json')).toEqual(['/v1/responses']);
  const call = await callOf(response);
  expect(call).toMatchObject({ outcome: 'succeeded', pricing: 'priced' });
  expect(call.attempts).toMatchObject([{ state: 'settled', usage: { outputTokens: data.usage?.completion_tokens } }]);
  expect(BigInt(call.costNanoUsd)).toBeGreaterThan(0n);
});

it('a streaming client gets the answer as a stream, for one job', async () => {
  const openai = new OpenAI({ apiKey: 'none', baseURL: `${test.url}/v1`, maxRetries: 0, defaultHeaders: BACKGROUND });
  let text = '';
  for await (const chunk of await openai.chat.completions.create({ ...body('long', 'bg stream'), stream: true }))
    text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toContain('[simulated]');
  expect(seenOf('bg stream')).toEqual(['/v1/responses']);
});

it("the official Anthropic client's request is carried over to the provider's wire and back", async () => {
  const anthropic = new Anthropic({ apiKey: 'none', baseURL: test.url, maxRetries: 0, defaultHeaders: BACKGROUND });
  const message = await anthropic.messages.create({ ...body('long', 'bg claude'), system: 'be brief' });
  expect(message.content).toMatchObject([{ type: 'text', text: expect.stringContaining('[simulated]') as string }]);
  expect(message.stop_reason).toBe('end_turn');
  const [seen] = test.simulator.seen.filter(({ body: sent }) => JSON.stringify(sent).includes('bg claude'));
  expect(seen?.body).toMatchObject({ background: true, store: true, max_output_tokens: 60 });
  expect(seen?.body['input']).toMatchObject([{ role: 'system' }, { role: 'user' }]);
});

it('of two requests with one key the second attaches to the job of the first', async () => {
  const headers = { ...BACKGROUND, 'idempotency-key': 'bg-key' };
  const both = await Promise.all([1, 2].map(() => test.post('/v1/chat/completions', body('long', 'bg key'), headers)));
  const texts = await Promise.all(both.map((response) => response.text()));
  expect(both.map(({ status }) => status)).toEqual([200, 200]);
  expect(texts[0]).toBe(texts[1]);
  expect(seenOf('bg key')).toEqual(['/v1/responses']);
});

it('a target that cannot work in the background is passed over; without any other the request is refused', async () => {
  const passed = await test.post('/v1/chat/completions', body('first-able', 'bg passed'), BACKGROUND);
  expect(passed.headers.get('x-holdfast-provider')).toBe('sim');
  const refused = await test.post('/v1/chat/completions', body('unable', 'bg unable'), BACKGROUND);
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ error: { code: 'capability_missing' } });
  expect(seenOf('bg unable')).toEqual([]);
});

it('a route can say from which length on calls run in the background', async () => {
  const short = await test.post('/v1/chat/completions', body('by-length', 'bg short'));
  const long = await test.post('/v1/chat/completions', body('by-length', 'bg long', { max_tokens: 5_000 }));
  expect([short.status, long.status]).toEqual([200, 200]);
  expect([seenOf('bg short'), seenOf('bg long')]).toEqual([['/v1/chat/completions'], ['/v1/responses']]);
});

it('what cannot be carried, or must not be stored, runs in the foreground where only the route asks for it', async () => {
  const kept = await test.post(
    '/v1/chat/completions',
    body('by-length', 'bg private', { max_tokens: 5_000, store: false }),
  );
  const two = await test.post('/v1/chat/completions', body('by-length', 'bg twice', { max_tokens: 5_000, n: 2 }));
  expect([kept.status, two.status]).toEqual([200, 200]);
  expect([...seenOf('bg private'), ...seenOf('bg twice')]).toEqual(['/v1/chat/completions', '/v1/chat/completions']);
  const forced = await test.post('/v1/chat/completions', body('long', 'bg forced', { store: false }), BACKGROUND);
  expect(forced.status).toBe(400);
  expect(await forced.json()).toMatchObject({ error: { code: 'capability_missing' } });
  const vector = await test.post('/v1/embeddings', { model: 'sim/sim-embedding', input: 'bg vector' }, BACKGROUND);
  expect(vector.status).toBe(400);
  expect([...seenOf('bg forced'), ...seenOf('bg vector')]).toEqual([]);
});

it('a mode that there is not is refused', async () => {
  const response = await test.post('/v1/chat/completions', body('long', 'bg mode'), { 'x-holdfast-mode': 'later' });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param: 'x-holdfast-mode' } });
});

it('a job that the provider forgot ends the call with a typed error, and keeps its hold', async () => {
  const response = await test.post('/v1/chat/completions', body('forgotten', 'bg forgotten'), BACKGROUND);
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ error: { code: 'outcome_unknown' } });
  const call = await callOf(response);
  expect(call.attempts).toMatchObject([{ state: 'unknown', errorCode: 'outcome_unknown' }]);
  expect(seenOf('bg forgotten')).toEqual(['/v1/responses']);
});

it('a cancelled call stops the job at the provider', async () => {
  const client = createClient({ url: test.url });
  const handle = await client.start(body('hanging', 'bg cancel'), { mode: 'background' });
  await until('the provider works', () => seenOf('bg cancel').length === 1);
  await until('its id is known', async () => (await handle.describe()).attempts[0]?.state === 'streaming');
  const asked = test.simulator.cancelled;
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ code: 'cancelled' });
  expect(test.simulator.cancelled - asked).toBe(1);
});

it('a call that is cancelled while its job starts lets it get its id, and stops it by that', async () => {
  const client = createClient({ url: test.url });
  const handle = await client.start(body('slow-start', 'bg early'), { mode: 'background' });
  await until('the provider has it', () => seenOf('bg early').length === 1);
  const asked = test.simulator.cancelled;
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ code: 'cancelled' });
  expect(test.simulator.cancelled - asked).toBe(1);
});
