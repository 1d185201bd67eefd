import { describe, expect, test } from 'vitest';
import type { ChatEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { createAnthropicStreamDecoder } from './stream-decoder.ts';

function run(events: readonly (JsonObject & { type: string })[]) {
  const decoder = createAnthropicStreamDecoder(1);
  const out: ChatEvent[] = events.flatMap((event) => decoder.push({ event: event.type, data: JSON.stringify(event) }));
  return { decoder, events: out, answer: decoder.answer() };
}

const START = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    model: 'm',
    role: 'assistant',
    content: [],
    usage: { input_tokens: 9, output_tokens: 1, service_tier: 'priority' },
  },
};
const open = (index: number, content_block: JsonObject) => ({ type: 'content_block_start', index, content_block });
const delta = (index: number, one: JsonObject) => ({ type: 'content_block_delta', index, delta: one });
const stop = (index: number) => ({ type: 'content_block_stop', index });
const END = {
  type: 'message_delta',
  delta: { stop_reason: 'end_turn', stop_sequence: null },
  usage: { output_tokens: 20 },
};
const TOOL = { type: 'tool_use', id: 't', name: 'f', input: {} };

describe('a tool call', () => {
  test.each<[string, JsonObject, string]>([
    ['without arguments', TOOL, '{}'],
    ['with all its arguments at the start', { ...TOOL, input: { a: 1 } }, '{"a":1}'],
  ])('%s tells them once', (_name, block, json) => {
    const { events, answer } = run([START, open(0, block), stop(0), END]);
    expect(events.filter(({ type }) => type === 'tool-call-delta')).toEqual([
      { type: 'tool-call-delta', choice: 0, index: 0, argumentsDelta: json },
    ]);
    expect(answer.chat?.toolCalls).toEqual([{ id: 't', name: 'f', arguments: json }]);
  });

  test('with invalid JSON keeps the text as the model wrote it', () => {
    const { answer } = run([
      START,
      open(0, TOOL),
      delta(0, { type: 'input_json_delta', partial_json: '{"a":' }),
      stop(0),
      END,
    ]);
    expect(answer.chat?.toolCalls[0]?.arguments).toBe('{"a":');
    expect(answer.body.content).toEqual([TOOL]);
  });
});

test("blocks of Anthropic's own tools and citations stay in the answer", () => {
  const search = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
  const result = {
    type: 'web_search_tool_result',
    tool_use_id: 's',
    content: [{ type: 'web_search_result', url: 'x' }],
  };
  const { events, answer } = run([
    START,
    open(0, search),
    delta(0, { type: 'input_json_delta', partial_json: '{"query":"q"}' }),
    stop(0),
    open(1, result),
    stop(1),
    open(2, { type: 'text', text: '' }),
    delta(2, { type: 'citations_delta', citation: { cited_text: 'c' } }),
    delta(2, { type: 'text_delta', text: 'found' }),
    delta(2, { type: 'delta_of_the_future', x: 1 }),
    stop(2),
    { type: 'event_of_the_future' },
    END,
  ]);
  expect(answer.body.content).toEqual([
    { ...search, input: { query: 'q' } },
    result,
    { type: 'text', text: 'found', citations: [{ cited_text: 'c' }] },
  ]);
  expect(events.some(({ type }) => type.startsWith('tool'))).toBe(false);
  expect(answer.chat?.text).toBe('found');
});

test('a summary that the provider made of the conversation stays in the answer, and is counted', () => {
  const compaction = { type: 'compaction', input_tokens: 180_000, output_tokens: 3_000, cache_read_input_tokens: 7 };
  const message = { type: 'message', input_tokens: 9, output_tokens: 20 };
  const { answer } = run([
    START,
    open(0, { type: 'compaction', content: '' }),
    delta(0, { type: 'compaction_delta', content: 'What was ' }),
    delta(0, { type: 'compaction_delta', content: 'said.' }),
    stop(0),
    { ...END, usage: { output_tokens: 20, iterations: [compaction, message] } },
  ]);
  expect(answer.body.content).toEqual([{ type: 'compaction', content: 'What was said.' }]);
  expect(answer.usage).toMatchObject({ inputTokens: 180_009, outputTokens: 3_020, cacheReadTokens: 7 });
});

test('the final counts fill in what message_start said', () => {
  const { answer } = run([
    START,
    { ...END, usage: { input_tokens: null, output_tokens: 20, cache_read_input_tokens: 4 } },
  ]);
  expect(answer.rawUsage).toEqual({
    input_tokens: 9,
    output_tokens: 20,
    service_tier: 'priority',
    cache_read_input_tokens: 4,
  });
  expect(answer).toMatchObject({
    serviceTier: 'priority',
    usage: { inputTokens: 9, outputTokens: 20, cacheReadTokens: 4 },
  });
});

test('a cut stream has no usage, but the raw counts it got', () => {
  const { answer } = run([START, open(0, { type: 'text', text: '' }), delta(0, { type: 'text_delta', text: 'a' })]);
  expect(answer.usage).toBeNull();
  expect(answer.chat).toMatchObject({ text: 'a', usage: null });
  expect(answer.rawUsage).toMatchObject({ input_tokens: 9 });
});

test('of several thinking blocks the text is told and no signature, for it would fit none', () => {
  const think = (index: number, text: string) => [
    open(index, { type: 'thinking', thinking: '', signature: '' }),
    delta(index, { type: 'thinking_delta', thinking: text }),
    delta(index, { type: 'signature_delta', signature: `S${String(index)}` }),
    stop(index),
  ];
  const { events, answer } = run([START, ...think(0, 'a'), ...think(1, 'b'), END]);
  expect(answer.chat).toMatchObject({ reasoning: 'ab', reasoningSignature: null });
  expect(events.some(({ type }) => type === 'reasoning-signature')).toBe(false);
  expect(answer.body.content).toMatchObject([{ signature: 'S0' }, { signature: 'S1' }]);
});
