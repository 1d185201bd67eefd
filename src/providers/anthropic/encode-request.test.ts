import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { openai } from '../openai/adapter.ts';
import { anthropicAdapter } from './adapter.ts';
import { anthropicMessagesDoor } from './door.ts';

const adapter = anthropicAdapter(() => 0);
const USER = { role: 'user', content: 'hi' };

function encode(fields: JsonObject, model = 'claude-sonnet-4-5', headers: Record<string, string> = {}) {
  const request: CallRequest = {
    wire: 'openai-chat',
    body: { model: 'm', messages: [USER], ...fields },
    stream: false,
  };
  const { body, warnings } = adapter.encode({ request, model, baseUrl: 'https://a.test', secret: 's', headers });
  return { body: JSON.parse(body) as JsonObject, losses: warnings.map(({ path }) => path) };
}

test('its own wire passes untouched but for the model', () => {
  const sent = { model: 'smart', max_tokens: 5, messages: [USER], top_k: 4, mcp_servers: [{ x: 1 }], stream: true };
  const request: CallRequest = { wire: 'anthropic-messages', body: sent, stream: true };
  const input = { request, model: 'claude-opus-5', baseUrl: 'https://a.test', secret: 's', headers: {} };
  expect(JSON.parse(adapter.encode(input).body)).toEqual({ ...sent, model: 'claude-opus-5' });
  const unstreamed = adapter.encode({ ...input, request: { ...request, stream: false } });
  expect(JSON.parse(unstreamed.body)).not.toHaveProperty('stream');
});

test("the caller's betas and version go along on the same wire, and nowhere else", () => {
  const headers = {
    'Anthropic-Beta': 'context-1m-2025-08-07',
    'anthropic-version': '2026-10-21',
    'x-api-key': 'secret',
  };
  const request = anthropicMessagesDoor.parseRequest({ model: 'm', max_tokens: 1, messages: [USER] }, headers);
  expect(request.wireHeaders).toEqual({ 'anthropic-beta': 'context-1m-2025-08-07', 'anthropic-version': '2026-10-21' });
  const input = { request, model: 'm', baseUrl: '', secret: 's', headers: {} };
  expect(adapter.encode(input).headers).toMatchObject(request.wireHeaders ?? {});
  expect(openai.encode(input).headers).not.toHaveProperty('anthropic-beta');
  const forged = anthropicMessagesDoor.parseRequest(request.body, { 'anthropic-beta': 'a\r\nx-api-key: b' });
  expect(forged).not.toHaveProperty('wireHeaders');
});

describe('max_tokens', () => {
  test.each([
    [{}, 'claude-sonnet-4-5', 64_000, []],
    [{}, 'claude-opus-9', 8_192, []],
    [{ max_tokens: 7 }, 'claude-sonnet-4-5', 7, []],
    [{ max_tokens: 7, max_completion_tokens: 9 }, 'claude-sonnet-4-5', 9, []],
    [{ max_tokens: 100_000 }, 'claude-3-5-haiku-latest', 8_192, ['max_tokens']],
    [{ max_tokens: 100_000 }, 'claude-opus-9', 100_000, []],
  ])('of %j for %s is %d', (fields, model, expected, losses) => {
    const { body, losses: told } = encode(fields, model);
    expect(body.max_tokens).toBe(expected);
    expect(told).toEqual(losses);
  });
});

describe('messages', () => {
  test('system messages stand apart, one from the middle with a warning', () => {
    const messages = [
      { role: 'developer', content: 'A' },
      USER,
      { role: 'system', content: [{ type: 'text', text: 'B', cache_control: { type: 'ephemeral' } }] },
    ];
    const { body, losses } = encode({ messages });
    expect(body.system).toEqual([
      { type: 'text', text: 'A' },
      { type: 'text', text: 'B', cache_control: { type: 'ephemeral' } },
    ]);
    expect(losses).toEqual(['messages[2]']);
  });

  test('tool results of one turn are joined, and stand before what the user says', () => {
    const tool = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '' } });
    const { body } = encode({
      messages: [
        USER,
        { role: 'assistant', content: '', tool_calls: [tool('a:1'), tool('b')] },
        { role: 'user', content: 'wait' },
        { role: 'tool', tool_call_id: 'a:1', content: 'A' },
        { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'B' }] },
      ],
    });
    expect(body.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'a_1', name: 'f', input: {} },
          { type: 'tool_use', id: 'b', name: 'f', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a_1', content: 'A' },
          { type: 'tool_result', tool_use_id: 'b', content: [{ type: 'text', text: 'B' }] },
          { type: 'text', text: 'wait' },
        ],
      },
    ]);
  });

  test("thinking goes back with Anthropic's own signature only", () => {
    const said = (signature?: string) => ({
      messages: [USER, { role: 'assistant', content: 'x', reasoning_content: 'hm', reasoning_signature: signature }],
    });
    const own = encode(said('anthropic/S1'));
    expect(own.body.messages).toMatchObject([
      {},
      { content: [{ type: 'thinking', thinking: 'hm', signature: 'S1' }, { type: 'text' }] },
    ]);
    expect(own.losses).toEqual([]);
    for (const foreign of [said('gemini/S1'), said()]) {
      const { body, losses } = encode(foreign);
      expect(JSON.stringify(body)).not.toContain('thinking');
      expect(losses).toEqual(['messages[1].reasoning_content']);
    }
  });

  test('broken arguments in the history are sent under a name, with a warning', () => {
    const calls = [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"cut' } }];
    const { body, losses } = encode({ messages: [USER, { role: 'assistant', tool_calls: calls }] });
    expect(body.messages).toMatchObject([{}, { content: [{ input: { invalid_json: '{"cut' } }] }]);
    expect(losses).toEqual(['messages[1].tool_calls[0].function.arguments']);
  });

  test('a PDF becomes a document', () => {
    const file = { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBE' };
    const { body } = encode({ messages: [{ role: 'user', content: [{ type: 'file', file }] }] });
    expect(body.messages).toMatchObject([
      {
        content: [
          { type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBE' } },
        ],
      },
    ]);
  });
});

describe('what cannot be carried refuses the candidate', () => {
  const part = (one: JsonObject) => ({ messages: [{ role: 'user', content: [one] }] });
  test.each<[string, JsonObject]>([
    ['messages[0].content[0]', part({ type: 'input_audio', input_audio: { data: 'x', format: 'mp3' } })],
    ['messages[0].content[0]', part({ type: 'hologram' })],
    ['messages[0].content[0]', part({ type: 'file', file: { file_id: 'file-1' } })],
    ['messages[0].content[0].image_url.url', part({ type: 'image_url', image_url: { url: 'ftp://x/y.png' } })],
    ['messages[0].role', { messages: [{ role: 'function', name: 'f', content: 'x' }] }],
    [
      'messages[0].tool_calls[0]',
      { messages: [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'custom', custom: {} }] }] },
    ],
    ['tools[0]', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
    ['n', { n: 2 }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['modalities', { modalities: ['image'] }],
  ])('%s', (param, fields) => {
    expect(() => encode(fields)).toThrow(expect.objectContaining({ code: 'capability_missing', param }));
  });

  test('embeddings', () => {
    const request: CallRequest = { wire: 'openai-embeddings', body: { input: 'a' }, stream: false };
    const input = { request, model: 'm', baseUrl: '', secret: undefined, headers: {} };
    expect(() => adapter.encode(input)).toThrow(expect.objectContaining({ code: 'capability_missing' }));
  });
});

describe('tools and their choice', () => {
  const tools = [{ type: 'function', function: { name: 'f', strict: true } }];

  test('a tool without parameters gets an empty schema, strict stays', () => {
    expect(encode({ tools }).body.tools).toEqual([
      { name: 'f', input_schema: { type: 'object', properties: {} }, strict: true },
    ]);
  });

  test.each<[JsonObject, JsonObject | undefined]>([
    [{}, undefined],
    [{ tool_choice: 'auto' }, { type: 'auto' }],
    [{ tool_choice: 'none', parallel_tool_calls: false }, { type: 'none' }],
    [
      { tool_choice: 'required', parallel_tool_calls: false },
      { type: 'any', disable_parallel_tool_use: true },
    ],
    [{ parallel_tool_calls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [{ tool_choice: { type: 'function', function: { name: 'f' } } }, { type: 'tool', name: 'f' }],
  ])('%j', (fields, expected) => {
    expect(encode({ tools, ...fields }).body.tool_choice).toEqual(expected);
  });

  test('a choice without tools is not sent', () => {
    expect(encode({ tool_choice: 'auto' }).body).not.toHaveProperty('tool_choice');
  });
});

describe('reasoning effort', () => {
  test.each<[string, string, JsonObject]>([
    ['low', 'claude-sonnet-4-5', { thinking: { type: 'enabled', budget_tokens: 2_048 } }],
    ['high', 'claude-3-7-sonnet-latest', { thinking: { type: 'enabled', budget_tokens: 16_384 } }],
    ['max', 'claude-opus-4-6', { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } }],
    ['minimal', 'claude-opus-5-5', { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }],
    ['none', 'claude-opus-5-5', {}],
  ])('%s for %s', (effort, model, expected) => {
    const { body, losses } = encode({ reasoning_effort: effort }, model);
    expect({ thinking: body.thinking, output_config: body.output_config }).toEqual({
      thinking: undefined,
      output_config: undefined,
      ...expected,
    });
    expect(losses).toEqual([]);
  });

  test.each<[JsonObject]>([
    [{ reasoning_effort: 'high', max_tokens: 500 }],
    [{ reasoning_effort: 'cosmic' }],
    [{ reasoning_effort: 'high', tool_choice: 'required', tools: [{ type: 'function', function: { name: 'f' } }] }],
  ])('stays off with a warning: %j', (fields) => {
    const { body, losses } = encode(fields);
    expect(body).not.toHaveProperty('thinking');
    expect(losses).toEqual(['reasoning_effort']);
  });

  test('a budget stays below max_tokens', () => {
    expect(encode({ reasoning_effort: 'high', max_tokens: 2_000 }).body.thinking).toEqual({
      type: 'enabled',
      budget_tokens: 1_999,
    });
  });
});

describe('sampling', () => {
  test.each<[JsonObject, string, Record<string, string>, JsonObject, string[]]>([
    [{ temperature: 0.5 }, 'claude-sonnet-4-5', {}, { temperature: 0.5 }, []],
    [{ temperature: 1.5 }, 'claude-sonnet-4-5', {}, { temperature: 1 }, ['temperature']],
    [{ temperature: 0.5, top_p: 0.9 }, 'claude-sonnet-4-5', {}, { temperature: 0.5 }, ['top_p']],
    [{ top_p: 0.9 }, 'claude-sonnet-4-5', {}, { top_p: 0.9 }, []],
    [{ temperature: 0.5, top_p: 0.9 }, 'claude-opus-4-7', {}, {}, ['temperature', 'top_p']],
    [{ temperature: 0.5 }, 'claude-sonnet-4-5', { 'Anthropic-Version': '2026-10-21' }, {}, ['temperature']],
    [{ temperature: 0.5, reasoning_effort: 'low' }, 'claude-sonnet-4-5', {}, {}, ['temperature']],
  ])('%j for %s with %j', (fields, model, headers, expected, losses) => {
    const { body, losses: told } = encode(fields, model, headers);
    expect({ temperature: body.temperature, top_p: body.top_p }).toEqual({
      temperature: undefined,
      top_p: undefined,
      ...expected,
    });
    expect(told).toEqual(losses);
  });
});

test('fields without a counterpart are told, neutral ones are not', () => {
  const fields = {
    seed: 1,
    logprobs: true,
    frequency_penalty: 0,
    presence_penalty: 0.5,
    store: false,
    logit_bias: null,
    stream_options: {},
  };
  expect(encode(fields).losses).toEqual(['seed', 'logprobs', 'presence_penalty']);
});

test('JSON without a schema is told, stop of white space is left out, the user goes into metadata', () => {
  const { body, losses } = encode({ response_format: { type: 'json_object' }, stop: ['\n', 'END'], user: 'u1' });
  expect(body).toMatchObject({ stop_sequences: ['END'], metadata: { user_id: 'u1' } });
  expect(losses.sort()).toEqual(['response_format', 'stop']);
});
