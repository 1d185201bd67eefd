/** Background mode for callers who stream: the text comes while the provider works, whatever becomes of its connection. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

let test: TestNode;
beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
models:
  held: { targets: [{ provider: sim, model: sim-small+holds=6+reasoning=3 }] }
  calling: { targets: [{ provider: sim, model: sim-small }] }
  cut: { targets: [{ provider: sim, model: sim-small+cut=7 }] }
  lost: { targets: [{ provider: sim, model: sim-small+cut=9+times=1+once=1+holds=9 }] }
  garbled: { targets: [{ provider: sim, model: sim-small+garbles=6+times=1+holds=3 }] }
  silent: { targets: [{ provider: sim, model: sim-small+stall=2+times=1 }], timeouts: { idleMs: 60 } }
  mute: { targets: [{ provider: sim, model: sim-small+stall=2+once=1 }], timeouts: { idleMs: 60 } }
  failing: { targets: [{ provider: sim, model: sim-small+fails=1 }] }
tenants:
  default: { budgets: [{ limitUsd: 1, period: day, hard: true }] }
`,
  });
});
afterAll(() => test.stop());

const WHOLE =
  '[simulated] a durable call keeps its promise even when the process that made it is gone and back again ' +
  'a durable call keeps its promise';
const BACKGROUND = { 'x-holdfast-mode': 'background' };
const body = (model: string, content: string, more: object = {}) => ({
  model,
  max_tokens: 60,
  messages: [{ role: 'user' as const, content }],
  ...more,
});
const stream = (model: string, content: string, headers: Record<string, string> = {}, more: object = {}) =>
  test.post('/v1/chat/completions', body(model, content, { stream: true, ...more }), { ...BACKGROUND, ...headers });
const seenOf = (content: string) =>
  test.simulator.seen.filter((request) => JSON.stringify(request.body).includes(content)).map(({ path }) => path);
const callOf = (response: Response) =>
  test.get<CallView>(`/api/v1/calls/${response.headers.get('x-holdfast-call-id') ?? ''}`);

/** Reads a stream; tells of the text so far after each piece of it. */
async function read(response: Response, onText: (text: string) => unknown = () => undefined): Promise<string> {
  let raw = '';
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    raw += piece;
    await onText(textOf(raw));
  }
  return raw;
}

function textOf(sse: string): string {
  const chunks = [...sse.matchAll(/^data: (\{.*"choices".*\})$/gm)].map(([, data = '']) => JSON.parse(data) as unknown);
  return (chunks as { choices: { delta: { content?: string } }[] }[])
    .map(({ choices }) => choices[0]?.delta.content ?? '')
    .join('');
}

it('the official OpenAI client has text while the job is at work, and the rest of it when that ends', async () => {
  const openai = new OpenAI({ apiKey: 'none', baseURL: `${test.url}/v1`, maxRetries: 0, defaultHeaders: BACKGROUND });
  const asked = { ...body('held', 'live openai'), stream: true as const, stream_options: { include_usage: true } };
  const { data, response } = await openai.chat.completions.create(asked).withResponse();
  let text = '';
  let usage: OpenAI.CompletionUsage | null | undefined;
  const working: number[] = [];
  for await (const chunk of data) {
    const delta = chunk.choices[0]?.delta.content ?? '';
    if (text === '' && delta !== '') {
      working.push(test.simulator.working);
      test.simulator.release();
    }
    text += delta;
    usage ??= chunk.usage;
  }
  expect(working).toEqual([1]);
  expect(text).toBe(WHOLE);
  expect(seenOf('live openai')).toEqual(['/v1/responses']);
  const call = await callOf(response);
  expect(call).toMatchObject({ outcome: 'succeeded', pricing: 'priced' });
  const counted = (usage?.completion_tokens ?? 0) - (usage?.completion_tokens_details?.reasoning_tokens ?? 0);
  expect(counted).toBeGreaterThan(0);
  expect(call.attempts).toMatchObject([{ state: 'settled', usage: { outputTokens: counted } }]);
});

it('the official Anthropic client has thinking and text while the job is at work', async () => {
  const anthropic = new Anthropic({ apiKey: 'none', baseURL: test.url, maxRetries: 0, defaultHeaders: BACKGROUND });
  const working: number[] = [];
  const live = anthropic.messages.stream(body('held', 'live claude'));
  live.once('text', () => {
    working.push(test.simulator.working);
    test.simulator.release();
  });
  const message = await live.finalMessage();
  expect(working).toEqual([1]);
  expect(message.content).toMatchObject([{ type: 'thinking' }, { type: 'text', text: WHOLE }]);
  expect(message.stop_reason).toBe('end_turn');
  expect(seenOf('live claude')).toEqual(['/v1/responses']);
});

it('tool calls are streamed as well', async () => {
  const schema = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } };
  const tools = ['weather', 'clock'].map((name) => ({ type: 'function', function: { name, parameters: schema } }));
  const said = await read(await stream('calling', 'live tools', {}, { tools }));
  const whole = await test.post('/v1/chat/completions', body('calling', 'live tools', { tools }), BACKGROUND);
  const { choices } = (await whole.json()) as OpenAI.ChatCompletion;
  const calls: { name: string; arguments: string }[] = [];
  for (const [, data = ''] of said.matchAll(/^data: (\{.*"tool_calls".*\})$/gm)) {
    const chunk = JSON.parse(data) as OpenAI.ChatCompletionChunk;
    for (const { index, function: part } of chunk.choices[0]?.delta.tool_calls ?? []) {
      const call = (calls[index] ??= { name: '', arguments: '' });
      call.name += part?.name ?? '';
      call.arguments += part?.arguments ?? '';
    }
  }
  expect(calls.map(({ name }) => name)).toEqual(['weather', 'clock']);
  expect(calls).toEqual(
    choices[0]?.message.tool_calls?.map((call) => (call.type === 'function' ? call.function : null)),
  );
  expect(said).toContain('"finish_reason":"tool_calls"');
});

it('a stream whose connection breaks again and again goes on after its last event: one job, no text twice', async () => {
  const before = test.simulator.streams;
  const response = await stream('cut', 'live cut');
  const said = await read(response);
  expect(textOf(said)).toBe(WHOLE);
  expect(said).toContain('[DONE]');
  expect(seenOf('live cut')).toEqual(['/v1/responses']);
  expect(test.simulator.streams - before).toBeGreaterThan(3);
  expect((await callOf(response)).attempts).toMatchObject([{ state: 'settled' }]);
});

it('a recorded live stream is replayed as it was, and taken up in its middle by the last event', async () => {
  const key = { 'idempotency-key': 'live-replay' };
  const first = await read(await stream('cut', 'live replay', key));
  expect(await read(await stream('cut', 'live replay', key))).toBe(first);
  const ids = [...first.matchAll(/^id: (.+)$/gm)].map(([, id = '']) => id);
  const at = ids[9] ?? '';
  const rest = await read(await stream('cut', 'live replay', { ...key, 'last-event-id': at }));
  expect(first.endsWith(rest)).toBe(true);
  expect([...rest.matchAll(/^id: (.+)$/gm)].map(([, id]) => id)).toEqual(ids.slice(10));
  const whole = await test.post('/v1/chat/completions', body('cut', 'live replay'), { ...BACKGROUND, ...key });
  expect(await whole.json()).toMatchObject({ choices: [{ message: { content: WHOLE } }] });
});

it('G7 a stream that cannot be taken up is told as lost to a client that holds text of it; the answer is recorded', async () => {
  const key = { 'idempotency-key': 'live-lost' };
  const response = await stream('lost', 'live lost', key);
  const asked = test.simulator.asked;
  const said = await read(response, async (text) => {
    if (text === '') return;
    await until('the provider is asked in pieces no more', () => test.simulator.asked > asked);
    test.simulator.release();
  });
  expect(said).toContain('outcome_unknown');
  expect(said).not.toContain('[DONE]');
  expect(WHOLE.startsWith(textOf(said))).toBe(true);
  const again = await read(await stream('lost', 'live lost', key));
  expect(textOf(again)).toBe(WHOLE);
  expect(seenOf('live lost')).toEqual(['/v1/responses']);
  expect(await callOf(response)).toMatchObject({ outcome: 'succeeded', attempts: [{ state: 'settled' }] });
});

it('G7 a client that takes rollbacks is told to drop what it holds of it, and gets the whole answer', async () => {
  const asked = test.simulator.asked;
  const said = await read(
    await stream('lost', 'live rolled back', { 'x-holdfast-stream': 'rollback' }),
    async (text) => {
      if (text === '') return;
      await until('the provider is asked in pieces no more', () => test.simulator.asked > asked);
      test.simulator.release();
    },
  );
  const [before = '', after = ''] = said.split(/^event: attempt-rollback$/m);
  expect(textOf(before)).not.toBe('');
  expect(textOf(after)).toBe(WHOLE);
  expect(after).toContain('[DONE]');
});

it('what cannot be read in a stream has the provider asked how the answer stands, once, and then from time to time', async () => {
  const asked = test.simulator.asked;
  const streams = test.simulator.streams;
  const said = await read(await stream('garbled', 'live garbled'), async (text) => {
    if (text === '') return;
    await until('the provider was asked', () => test.simulator.asked > asked);
    test.simulator.release();
  });
  expect(said).toContain('outcome_unknown');
  expect(test.simulator.streams).toBe(streams);
  expect(seenOf('live garbled')).toEqual(['/v1/responses']);
});

it('a connection that falls silent is replaced by another', async () => {
  expect(textOf(await read(await stream('silent', 'live silent')))).toBe(WHOLE);
  expect(seenOf('live silent')).toEqual(['/v1/responses']);
});

it('a stream that stays silent does not end the job: a client that holds no text gets the answer whole', async () => {
  const response = await stream('mute', 'live mute');
  const said = await read(response);
  expect(textOf(said)).toBe(WHOLE);
  expect(said).toContain('[DONE]');
  expect(seenOf('live mute')).toEqual(['/v1/responses']);
  expect((await callOf(response)).attempts).toMatchObject([{ state: 'settled' }]);
});

it('a job that fails after text was given out ends the call: nobody is given the text of another', async () => {
  const response = await stream('failing', 'live failing');
  const said = await read(response);
  expect(said).toContain('provider_unavailable');
  expect(said).not.toContain('[DONE]');
  expect(seenOf('live failing')).toEqual(['/v1/responses']);
  expect(await callOf(response)).toMatchObject({ outcome: 'failed', attempts: [{ state: 'failed' }] });
});

it('a call that is cancelled in the middle of its stream stops the job at the provider', async () => {
  const cancelled = test.simulator.cancelled;
  const response = await stream('held', 'live cancel');
  const id = response.headers.get('x-holdfast-call-id') ?? '';
  let isAsked = false;
  const said = await read(response, async (text) => {
    if (text === '' || isAsked) return;
    isAsked = true;
    await test.post(`/api/v1/calls/${id}/cancel`, {});
  });
  expect(said).toContain('"cancelled"');
  expect(test.simulator.cancelled - cancelled).toBe(1);
  expect(test.simulator.working).toBe(0);
  expect(await callOf(response)).toMatchObject({ outcome: 'cancelled' });
});

it('a client without a key that leaves its stream has the job stopped', async () => {
  const cancelled = test.simulator.cancelled;
  const leaving = new AbortController();
  const response = await fetch(`${test.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...BACKGROUND },
    body: JSON.stringify(body('held', 'live leaving', { stream: true })),
    signal: leaving.signal,
  });
  const reading = read(response, (text) => {
    if (text !== '') leaving.abort();
  });
  await expect(reading).rejects.toThrow();
  await until('the job is stopped', () => test.simulator.cancelled - cancelled === 1);
  await until('the call has ended', async () => (await callOf(response)).state === 'ended');
  expect(await callOf(response)).toMatchObject({ outcome: 'cancelled' });
});
