import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { readCompletion } from './decode-answer.ts';
import { mergeDelta } from './merge-delta.ts';

function chat(message: JsonObject, finish_reason: string | null = null) {
  return readCompletion({ id: 'x:1', choices: [{ index: 0, message, finish_reason }] }).chat;
}

describe('answers of servers that differ', () => {
  test('content in parts is their text', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'thinking', thinking: [] },
      { type: 'text', text: 'b' },
    ];
    expect(chat({ content })?.text).toBe('ab');
    expect(chat({ content: [] })?.text).toBeNull();
  });

  test('reasoning is read by either name', () => {
    expect(chat({ content: null, reasoning: 'hm' })?.reasoning).toBe('hm');
  });

  test('without a finish reason the calls decide', () => {
    const tool_calls = [{ function: { name: 'f', arguments: '{}' } }];
    expect(chat({ tool_calls })).toMatchObject({ finishReason: 'tool_calls', toolCalls: [{ id: 'call_x1_0' }] });
    expect(chat({ content: 'a' })).toMatchObject({ finishReason: 'stop', rawFinishReason: null });
    expect(chat({ content: 'a' }, 'function_call')?.finishReason).toBe('tool_calls');
    expect(chat({ content: 'a' }, 'eos')).toMatchObject({ finishReason: 'stop', rawFinishReason: 'eos' });
  });

  test('an answer without id, model, time or usage is still one', () => {
    expect(readCompletion({ choices: [{ message: { content: 'a' } }] })).toMatchObject({
      usage: null,
      responseId: null,
      model: null,
      chat: { text: 'a', created: 0 },
    });
  });

  test("Google's signature of a call is kept with it", () => {
    const tool_calls = [
      { id: 'a', function: { name: 'f', arguments: '' }, extra_content: { google: { thought_signature: 'S' } } },
    ];
    expect(chat({ tool_calls })?.toolCalls).toEqual([{ id: 'a', name: 'f', arguments: '', signature: 'S' }]);
  });
});

describe('deltas of unknown fields', () => {
  test.each<[string, JsonObject['x'], JsonObject['x'], JsonObject['x']]>([
    ['x', 'a', 'b', 'ab'],
    ['id', 'a', 'a', 'a'],
    ['type', 'a', '', 'a'],
    ['x', 1, 2, 2],
    ['x', 'a', null, 'a'],
    ['x', null, 'a', 'a'],
    ['x', { a: 'x', b: 1 }, { a: 'y' }, { a: 'xy', b: 1 }],
    [
      'x',
      [{ index: 0, t: 'a' }],
      [
        { index: 1, t: 'b' },
        { index: 0, t: 'c' },
      ],
      [
        { index: 0, t: 'ac' },
        { index: 1, t: 'b' },
      ],
    ],
    ['x', [1], [2], [1, 2]],
    ['x', 'a', [1], [1]],
  ])('%s: %j and %j make %j', (key, first, second, whole) => {
    const target: JsonObject = {};
    mergeDelta(target, key, first);
    mergeDelta(target, key, second);
    expect(target[key]).toEqual(whole);
  });
});
