import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { anthropicAdapter } from './adapter.ts';
import { anthropicMessagesDoor } from './door.ts';
import { anthropicToCanonical } from './request-to-canonical.ts';

const BODY: JsonObject = {
  model: 'smart',
  max_tokens: 4_000,
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  messages: [
    { role: 'user', content: 'Look.' },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'S1' },
        { type: 'text', text: 'I look.' },
        { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'x' } },
      ],
    },
    {
      role: 'user',
      content: [
        {
          type: 'tool_result',
          tool_use_id: 'toolu_1',
          content: [
            { type: 'text', text: 'seen' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
        { type: 'text', text: 'And?' },
      ],
    },
  ],
  tools: [{ name: 'look', description: 'Looks', input_schema: { type: 'object' } }],
  tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  thinking: { type: 'enabled', budget_tokens: 2_048 },
  stop_sequences: ['END'],
  metadata: { user_id: 'u1' },
  temperature: 1,
  stream: true,
};

test('a request becomes canonical chat', () => {
  const { request, warnings } = anthropicToCanonical(BODY);
  expect(request).toEqual({
    model: 'smart',
    max_completion_tokens: 4_000,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Look.' },
      {
        role: 'assistant',
        content: 'I look.',
        reasoning_content: 'hm',
        reasoning_signature: 'anthropic/S1',
        tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'look', arguments: '{"at":"x"}' } }],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'seen' },
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          { type: 'text', text: 'And?' },
        ],
      },
    ],
    tools: [{ type: 'function', function: { name: 'look', description: 'Looks', parameters: { type: 'object' } } }],
    tool_choice: 'auto',
    parallel_tool_calls: false,
    reasoning_effort: 'low',
    stop: ['END'],
    user: 'u1',
    temperature: 1,
    stream: true,
  });
  expect(warnings.map(({ path }) => path)).toEqual(['system[0].cache_control']);
});

test('and back it is the same conversation', () => {
  const request: CallRequest = { wire: 'openai-chat', body: anthropicToCanonical(BODY).request, stream: true };
  const input = { request, model: 'claude-sonnet-4-5', baseUrl: '', secret: undefined, headers: {} };
  const back = JSON.parse(anthropicAdapter().encode(input).body) as JsonObject;
  expect(back).toMatchObject({
    system: [{ type: 'text', text: 'Be brief.' }],
    max_tokens: 4_000,
    tools: BODY.tools,
    tool_choice: BODY.tool_choice,
    thinking: BODY.thinking,
    stop_sequences: BODY.stop_sequences,
    metadata: BODY.metadata,
  });
  const [user, assistant] = (BODY.messages ?? []) as JsonObject[];
  expect(back.messages).toMatchObject([
    { ...user, content: [{ type: 'text', text: 'Look.' }] },
    assistant ?? {},
    { role: 'user' },
  ]);
});

describe('losses', () => {
  test.each<[string, JsonObject]>([
    ['top_k', { top_k: 5 }],
    ['container', { container: 'c' }],
    ['tools[0]', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
    ['tools[0].cache_control', { tools: [{ name: 'f', input_schema: {}, cache_control: { type: 'ephemeral' } }] }],
    [
      'messages[0].content[0].is_error',
      { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', is_error: true }] }] },
    ],
    [
      'messages[0].content[0]',
      { messages: [{ role: 'assistant', content: [{ type: 'redacted_thinking', data: 'x' }] }] },
    ],
  ])('%s is told', (path, fields) => {
    const { warnings } = anthropicToCanonical({ model: 'm', max_tokens: 1, messages: [], ...fields });
    expect(warnings.map((warning) => warning.path)).toEqual([path]);
  });

  test.each<[string, JsonObject]>([
    ['messages[0].content[0]', { role: 'user', content: [{ type: 'container_upload', file_id: 'x' }] }],
    [
      'messages[0].content[0].source',
      { role: 'user', content: [{ type: 'image', source: { type: 'file', file_id: 'x' } }] },
    ],
    ['messages[0].content[0]', { role: 'assistant', content: [{ type: 'server_tool_use', id: 'x' }] }],
  ])('content that cannot be carried refuses: %s', (param, message) => {
    expect(() => anthropicToCanonical({ model: 'm', messages: [message] })).toThrow(
      expect.objectContaining({ code: 'capability_missing', param }),
    );
  });
});

test.each<[JsonObject, string | undefined]>([
  [{}, undefined],
  [{ thinking: { type: 'disabled' } }, 'none'],
  [{ thinking: { type: 'adaptive' } }, 'medium'],
  [{ thinking: { type: 'adaptive' }, output_config: { effort: 'xhigh' } }, 'xhigh'],
  [{ output_config: { effort: 'low' } }, 'low'],
  [{ thinking: { type: 'enabled', budget_tokens: 8_192 } }, 'medium'],
  [{ thinking: { type: 'enabled', budget_tokens: 30_000 } }, 'high'],
])('thinking %j is effort %s', (fields, effort) => {
  expect(anthropicToCanonical({ model: 'm', messages: [], ...fields }).request.reasoning_effort).toBe(effort);
});

test('a schema for the output becomes a response format, by its present and its former name', () => {
  const format = { type: 'json_schema', schema: { type: 'object' } };
  for (const fields of [{ output_config: { format } }, { output_format: format }]) {
    expect(anthropicToCanonical({ model: 'm', messages: [], ...fields }).request.response_format).toMatchObject({
      type: 'json_schema',
      json_schema: { schema: { type: 'object' } },
    });
  }
});

describe('the door refuses with the path of the fault', () => {
  const good = { model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'x' }] };
  const block = (one: JsonObject) => ({ messages: [{ role: 'user', content: [one] }] });
  test.each<[string, object]>([
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: 0 }],
    ['messages', { messages: [] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].content', { messages: [{ role: 'user' }] }],
    ['messages[0].content[0].type', block({})],
    ['messages[0].content[0].text', block({ type: 'text' })],
    ['messages[0].content[0].source', block({ type: 'image' })],
    ['messages[0].content[0].tool_use_id', block({ type: 'tool_result' })],
    [
      'messages[0].content[0].content[0].text',
      block({ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text' }] }),
    ],
    ['messages[0].content[0].input', block({ type: 'tool_use', id: 'a', name: 'b', input: '{}' })],
    ['system', { system: 7 }],
    ['temperature', { temperature: 1.5 }],
    ['stop_sequences', { stop_sequences: 'END' }],
    ['tools[0].input_schema', { tools: [{ name: 'f' }] }],
    ['tool_choice.type', { tool_choice: { type: 'required' } }],
    ['tool_choice.name', { tool_choice: { type: 'tool' } }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled' } }],
  ])('%s: %j', (param, fields) => {
    expect(() => anthropicMessagesDoor.parseRequest({ ...good, ...fields })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });

  test('and lets a good one pass untouched', () => {
    expect(anthropicMessagesDoor.parseRequest(BODY)).toEqual({ wire: 'anthropic-messages', body: BODY, stream: true });
  });
});
