import { describe, expect, test } from 'vitest';
import type { ChatEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { createOpenAiStreamDecoder } from './stream-decoder.ts';

function run(chunks: readonly (JsonObject | string)[], mustSayDone = true) {
  const decoder = createOpenAiStreamDecoder({ mustSayDone });
  const events: ChatEvent[] = chunks.flatMap((chunk) =>
    decoder.push({ data: typeof chunk === 'string' ? chunk : JSON.stringify(chunk) }),
  );
  return { decoder, events, answer: decoder.answer() };
}

function chunk(delta: JsonObject, finishReason: string | null = null, index = 0): JsonObject {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index, delta, finish_reason: finishReason }],
  };
}

const toolChunk = (...calls: JsonObject[]): JsonObject => chunk({ tool_calls: calls });

describe('tool calls of servers that differ', () => {
  test('a missing id is made up from the answer id and stays', () => {
    const { events, answer } = run([
      toolChunk({ index: 0, function: { name: 'a', arguments: '{' } }),
      toolChunk({ index: 0, function: { arguments: '}' } }),
      chunk({}, 'tool_calls'),
    ]);
    expect(events.filter(({ type }) => type.startsWith('tool'))).toEqual([
      { type: 'tool-call-start', choice: 0, index: 0, id: 'call_chatcmpl-1_0', name: 'a' },
      { type: 'tool-call-delta', choice: 0, index: 0, argumentsDelta: '{' },
      { type: 'tool-call-delta', choice: 0, index: 0, argumentsDelta: '}' },
    ]);
    expect(answer.chat?.toolCalls).toEqual([{ id: 'call_chatcmpl-1_0', name: 'a', arguments: '{}' }]);
  });

  test('two calls that both claim index 0 are told apart by id', () => {
    const { answer } = run([
      toolChunk({ index: 0, id: 'x', function: { name: 'a', arguments: '{}' } }),
      toolChunk({ index: 0, id: 'y', function: { name: 'b', arguments: '{"q":1}' } }),
      chunk({}, 'tool_calls'),
    ]);
    expect(answer.chat?.toolCalls).toEqual([
      { id: 'x', name: 'a', arguments: '{}' },
      { id: 'y', name: 'b', arguments: '{"q":1}' },
    ]);
  });

  test('without an index, deltas belong to the last call or to the one their id names', () => {
    const { events, answer } = run([
      toolChunk({ id: 'x', function: { name: 'a', arguments: '1' } }),
      toolChunk({ id: 'y', function: { name: 'b', arguments: '2' } }),
      toolChunk({ function: { arguments: '3' } }),
      toolChunk({ id: 'x', function: { name: 'a', arguments: '4' } }),
    ]);
    expect(answer.chat?.toolCalls.map((call) => call.arguments)).toEqual(['14', '23']);
    expect(events.filter(({ type }) => type === 'tool-call-start')).toHaveLength(2);
  });

  test('a call starts once its name is known, with the arguments that came before', () => {
    const { events } = run([
      toolChunk({ index: 0, id: 'x', function: { arguments: '{"a"' } }),
      toolChunk({ index: 0, function: { name: 'f', arguments: ':1}' } }),
    ]);
    expect(events.slice(1)).toEqual([
      { type: 'tool-call-start', choice: 0, index: 0, id: 'x', name: 'f' },
      { type: 'tool-call-delta', choice: 0, index: 0, argumentsDelta: '{"a":1}' },
    ]);
  });

  test('a custom tool keeps its kind and input', () => {
    const { answer } = run([
      toolChunk({ index: 0, id: 'x', type: 'custom', custom: { name: 'sql', input: 'select ' } }),
      toolChunk({ index: 0, custom: { input: '1' } }),
      chunk({}, 'tool_calls'),
    ]);
    expect(answer.body.choices).toMatchObject([
      { message: { tool_calls: [{ id: 'x', type: 'custom', custom: { name: 'sql', input: 'select 1' } }] } },
    ]);
  });
});

test('a finish reason that comes again is told once, and the first one stands', () => {
  const { events, answer } = run([chunk({ content: 'a' }, 'length'), chunk({}, 'stop')]);
  expect(events.filter(({ type }) => type === 'finish')).toHaveLength(1);
  expect(answer.chat?.finishReason).toBe('length');
});

test("Google's signature of a call is told with its start and kept in the answer", () => {
  const extra_content = { google: { thought_signature: 'S' } };
  const { events, answer } = run([
    toolChunk({ index: 0, id: 'x', function: { name: 'f', arguments: '{}' }, extra_content }),
  ]);
  expect(events).toContainEqual({ type: 'tool-call-start', choice: 0, index: 0, id: 'x', name: 'f', signature: 'S' });
  expect(answer.body.choices).toMatchObject([{ message: { tool_calls: [{ id: 'x', extra_content }] } }]);
});

test('several choices are kept apart and in order', () => {
  const { events, answer } = run([
    chunk({ role: 'assistant', content: 'B' }, null, 1),
    chunk({ role: 'assistant', content: 'A' }, null, 0),
    chunk({ content: 'b' }, null, 1),
    chunk({}, 'length', 0),
    chunk({}, 'stop', 1),
    '[DONE]',
  ]);
  expect(events.filter(({ type }) => type === 'finish')).toEqual([
    { type: 'finish', choice: 0, reason: 'length', rawReason: 'length' },
    { type: 'finish', choice: 1, reason: 'stop', rawReason: 'stop' },
  ]);
  expect(answer.body.choices).toMatchObject([
    { index: 0, message: { content: 'A' }, finish_reason: 'length' },
    { index: 1, message: { content: 'Bb' }, finish_reason: 'stop' },
  ]);
});

test('reasoning under both of its names at once is given once', () => {
  const { events } = run([chunk({ reasoning: 'hm', reasoning_content: 'hm' })]);
  expect(events.filter(({ type }) => type === 'reasoning-delta')).toHaveLength(1);
});

test('unknown fields of deltas, choices and chunks end in the assembled answer', () => {
  const first = chunk({
    role: 'assistant',
    content: 'a',
    annotations: [{ url: 'x' }],
    audio: { id: 'au', data: 'AA' },
  });
  const { answer } = run([
    { ...first, system_fingerprint: 'fp', citations: ['c1'], obfuscation: 'zz' },
    chunk({ content: 'b', annotations: [{ url: 'y' }], audio: { data: 'BB' }, ['__proto__']: { polluted: true } }),
    { ...chunk({}, 'stop'), x_extra: 1 },
    '[DONE]',
  ]);
  expect(answer.body).toMatchObject({
    object: 'chat.completion',
    system_fingerprint: 'fp',
    citations: ['c1'],
    x_extra: 1,
    choices: [
      { message: { content: 'ab', annotations: [{ url: 'x' }, { url: 'y' }], audio: { id: 'au', data: 'AABB' } } },
    ],
  });
  expect(answer.body).not.toHaveProperty('obfuscation');
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test('logprobs of a choice grow over the chunks', () => {
  const part = (token: string): JsonObject => ({
    ...chunk({}),
    choices: [{ index: 0, delta: { content: token }, logprobs: { content: [{ token }], refusal: null } }],
  });
  const { answer } = run([part('a'), part('b')]);
  expect(answer.body.choices).toMatchObject([{ logprobs: { content: [{ token: 'a' }, { token: 'b' }] } }]);
});

test("Azure's first chunk without choices or id starts nothing", () => {
  const { events } = run([
    { id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [] },
    chunk({ role: 'assistant', content: '' }),
  ]);
  expect(events).toEqual([{ type: 'start', id: 'chatcmpl-1', model: 'm', created: 1 }]);
});

test('id, model and time are those of the first chunk that has them', () => {
  const { answer } = run([chunk({ content: 'a' }), { ...chunk({ content: 'b' }), id: 'other', model: '', created: 9 }]);
  expect(answer.chat).toMatchObject({ id: 'chatcmpl-1', model: 'm', created: 1, text: 'ab' });
});

describe('a stream is complete', () => {
  const whole = [chunk({ content: 'a' }), chunk({}, 'stop')];

  test('with [DONE]', () => {
    expect(run(whole).decoder.isComplete).toBe(false);
    expect(run([...whole, '[DONE]']).decoder.isComplete).toBe(true);
  });

  test('with all choices finished, for compatible servers that leave [DONE] out', () => {
    expect(run(whole, false).decoder.isComplete).toBe(true);
    expect(run([...whole, chunk({ content: 'x' }, null, 1)], false).decoder.isComplete).toBe(false);
  });

  test('never without any choice', () => {
    expect(run(['[DONE]']).decoder.isComplete).toBe(false);
  });
});

test('what follows [DONE] is not read', () => {
  expect(run([chunk({ content: 'a' }), '[DONE]', 'garbage']).answer.chat?.text).toBe('a');
});

test.each([
  [{ error: { message: 'overloaded', type: 'server_error', code: null } }, 'provider_unavailable', true],
  [{ error: { message: 'slow down', type: 'requests', code: 'rate_limit_exceeded' } }, 'provider_rate_limited', true],
  [{ error: { message: 'no money', type: 'insufficient_quota', code: 'insufficient_quota' } }, 'provider_quota', false],
  [{ error: { message: 'Provider returned error', code: 502 } }, 'provider_unavailable', true],
  [{ error: 'just text' }, 'provider_unavailable', true],
  [
    { error: { message: 'too long', code: 'context_length_exceeded', type: 'invalid_request_error' } },
    'context_too_long',
    false,
  ],
])('an error event %j is the failure %s', (event, code, retryable) => {
  expect(() => run([event])).toThrow(
    expect.objectContaining({ failure: expect.objectContaining({ code, retryable }) }),
  );
});

test.each(['{"cut', '[]', '7', 'text'])('a malformed event %s is a broken answer', (data) => {
  expect(() => run([data])).toThrow(
    expect.objectContaining({ failure: expect.objectContaining({ code: 'provider_unavailable', retryable: true }) }),
  );
});
