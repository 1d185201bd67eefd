/** The official SDKs as readers of what leaves the doors: they are what callers use. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest, DoorWire } from '../core/ports/provider.ts';
import type { WireFixture } from './wire-fixtures.ts';
import { CASES, readFixture, stream } from './wire-fixtures.ts';
import { doorWires, providerAdapters } from './registry.ts';
import { formatSse } from './sse/format-sse.ts';
import { createDoorStream } from './stream-bridge.ts';

const KINDS = ['openai', 'anthropic', 'gemini'];
const PAIRS = KINDS.flatMap((kind) => CASES.map((name) => ({ kind, name })));

/** A gateway of a few lines: parses at the door, answers with the fixture through the door. */
function gateway(door: DoorWire, kind: string, name: string) {
  const fixture = readFixture(kind, name);
  const adapter = providerAdapters.get(kind);
  if (adapter === undefined) throw new Error(kind);
  const seen: CallRequest[] = [];
  const fetch = (_url: unknown, init?: { body?: unknown }): Promise<Response> => {
    const request = door.parseRequest(JSON.parse(String(init?.body)));
    seen.push(request);
    if (!request.stream) {
      const answer = adapter.decodeAnswer(request, JSON.stringify(fixture.answer));
      return Promise.resolve(Response.json(door.encodeAnswer(answer, request)));
    }
    const { raw } = stream(adapter, request, fixture.stream);
    const decoder = adapter.createStreamDecoder(request);
    const out = createDoorStream(adapter.wire, door, request);
    const frames = [...raw.flatMap((event) => out.push(event, decoder.push(event))), ...out.end()];
    const text = frames.map((frame) => formatSse({ ...frame, id: 'call.1.0' })).join('');
    return Promise.resolve(new Response(text, { headers: { 'content-type': 'text/event-stream' } }));
  };
  return { fixture, fetch, seen };
}

const toolsOf = (fixture: WireFixture) =>
  fixture.chat.toolCalls.map((call) => [call.id, call.name, JSON.parse(call.arguments) as unknown]);

describe.each(PAIRS)("openai's client reads $kind: $name", ({ kind, name }) => {
  const { fixture, fetch } = gateway(doorWires['openai-chat'], kind, name);
  const client = new OpenAI({ apiKey: 'k', baseURL: 'http://door.test/v1', fetch, maxRetries: 0 });
  const params = fixture.request.body as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;

  test('whole', async () => {
    const completion = await client.chat.completions.create(params);
    const choice = completion.choices[0];
    expect(completion.object).toBe('chat.completion');
    expect(choice?.message.content ?? null).toBe(fixture.chat.text);
    expect(choice?.finish_reason).toBe(fixture.chat.finishReason);
  });

  test('streamed', async () => {
    const seen: OpenAI.ChatCompletionChunk[] = [];
    const run = client.chat.completions.stream({ ...params, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of run) seen.push(chunk);
    expect(new Set(seen.map(({ id, created, model }) => `${id} ${String(created)} ${model}`)).size).toBe(1);
    const deltas = seen.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas.filter(({ role }) => role !== undefined)).toEqual([deltas[0]]);
    const last = seen.at(-1);
    expect(last?.choices).toEqual([]);
    expect(last?.usage?.total_tokens).toBeGreaterThan(0);
    expect(seen.filter(({ usage }) => usage)).toHaveLength(1);
    const text = deltas.map(({ content }) => content ?? '').join('');
    expect(text).toBe(fixture.chat.text ?? '');
    const named = deltas.flatMap(({ tool_calls }) => tool_calls ?? []);
    const calls = toolsOf(fixture).map(([id, tool], index) => {
      const own = named.filter((call) => call.index === index);
      const json = own.map((call) => call.function?.arguments ?? '').join('');
      expect(own[0]).toMatchObject({ id, function: { name: tool } });
      return [id, tool, JSON.parse(json) as unknown];
    });
    expect(calls).toEqual(toolsOf(fixture));
  });
});

describe.each(PAIRS)("anthropic's client reads $kind: $name", ({ kind, name }) => {
  const { fixture, fetch, seen } = gateway(doorWires['anthropic-messages'], kind, name);
  const client = new Anthropic({ apiKey: 'k', baseURL: 'http://door.test', fetch, maxRetries: 0 });
  const params = { model: 'smart', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hi' }] };

  function check(message: Anthropic.Message): void {
    const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    const own = fixture.chat.text ?? '';
    expect([own, own + (fixture.chat.refusal ?? '')]).toContain(text);
    const tools = message.content.flatMap((block) =>
      block.type === 'tool_use' ? [[block.id, block.name, block.input]] : [],
    );
    expect(tools).toEqual(toolsOf(fixture));
    expect(message.usage.output_tokens).toBeGreaterThan(0);
    expect(message.stop_reason).not.toBeNull();
  }

  test('whole', async () => {
    check(await client.messages.create(params));
    expect(seen.at(-1)?.stream).toBe(false);
  });

  test('streamed', async () => {
    check(await client.messages.stream(params).finalMessage());
    expect(seen.at(-1)?.stream).toBe(true);
  });
});

test("openai's client gets numbers from embeddings it asks for as base64", async () => {
  const floats = Buffer.from(Float32Array.of(1, 0.5).buffer).toString('base64');
  const upstream: JsonObject = {
    object: 'list',
    model: 'm',
    data: [{ object: 'embedding', index: 0, embedding: floats }],
    usage: { prompt_tokens: 1, total_tokens: 1 },
  };
  const openai = providerAdapters.get('openai');
  const door = doorWires['openai-embeddings'];
  let asked: JsonObject = {};
  const fetch = (_url: unknown, init?: { body?: unknown }): Promise<Response> => {
    const request = door.parseRequest(JSON.parse(String(init?.body)));
    const encoded = openai?.encode({ request, model: 'real', baseUrl: 'http://up.test/v1', secret: 's', headers: {} });
    asked = JSON.parse(encoded?.body ?? '{}') as JsonObject;
    const answer = openai?.decodeAnswer(request, JSON.stringify(upstream));
    return Promise.resolve(Response.json(answer && door.encodeAnswer(answer, request)));
  };
  const client = new OpenAI({ apiKey: 'k', baseURL: 'http://door.test/v1', fetch, maxRetries: 0 });
  const { data } = await client.embeddings.create({ model: 'smart', input: 'a' });
  expect(asked).toMatchObject({ model: 'real', encoding_format: 'base64' });
  expect(data[0]?.embedding).toEqual([1, 0.5]);
});
