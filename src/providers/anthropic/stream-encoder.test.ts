import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChatEvent, SseEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { createAnthropicStreamDecoder } from './stream-decoder.ts';
import { createAnthropicStreamEncoder } from './stream-encoder.ts';

const START: ChatEvent = { type: 'start', id: 'x', model: 'm', created: 1 };
const FINISH: ChatEvent = { type: 'finish', choice: 0, reason: 'tool_calls', rawReason: null };
const text = (one: string): ChatEvent => ({ type: 'text-delta', choice: 0, text: one });
const tool = (index: number): ChatEvent => ({
  type: 'tool-call-start',
  choice: 0,
  index,
  id: `t${String(index)}`,
  name: 'f',
});
const args = (index: number, argumentsDelta: string): ChatEvent => ({
  type: 'tool-call-delta',
  choice: 0,
  index,
  argumentsDelta,
});

function encode(events: readonly ChatEvent[]): SseEvent[] {
  const encoder = createAnthropicStreamEncoder();
  return [...events.flatMap((event) => encoder.push([event])), ...encoder.end()];
}

const dataOf = (frames: readonly SseEvent[]) => frames.map(({ data }) => JSON.parse(data) as JsonObject);

/** Start, ping, blocks one after the other and each closed, message_delta, message_stop: or it throws. */
function checkProtocol(frames: readonly SseEvent[]): void {
  const events = dataOf(frames);
  expect(frames.map(({ event }) => event)).toEqual(events.map(({ type }) => type));
  expect(events.slice(0, 2).map(({ type }) => type)).toEqual(['message_start', 'ping']);
  expect(events.slice(-2).map(({ type }) => type)).toEqual(['message_delta', 'message_stop']);
  let open: number | null = null;
  let next = 0;
  for (const { type, index } of events.slice(2, -2)) {
    if (type === 'content_block_start') {
      expect(open).toBeNull();
      expect(index).toBe(next);
      open = next;
      next += 1;
    } else {
      expect(index).toBe(open);
      if (type === 'content_block_stop') open = null;
    }
  }
  expect(open).toBeNull();
}

test('text, then tools, then text again are blocks of their own', () => {
  const frames = encode([START, text('a'), tool(0), args(0, '{"x":'), args(0, '1}'), text('b'), FINISH]);
  checkProtocol(frames);
  const starts = dataOf(frames).filter(({ type }) => type === 'content_block_start');
  expect(starts.map(({ content_block }) => (content_block as JsonObject).type)).toEqual(['text', 'tool_use', 'text']);
});

test('a block is closed as soon as the next one begins, not only at the end', () => {
  const encoder = createAnthropicStreamEncoder();
  encoder.push([START, text('a')]);
  expect(encoder.push([tool(0)]).map(({ event }) => event)).toEqual(['content_block_stop', 'content_block_start']);
});

test('arguments of two calls that interleave arrive whole, one call after the other', () => {
  const events = [START, tool(0), args(0, '{"a'), tool(1), args(1, '{"b":2}'), args(0, '":1}'), FINISH];
  const frames = encode(events);
  checkProtocol(frames);
  const decoder = createAnthropicStreamDecoder(1);
  for (const frame of frames) decoder.push(frame);
  expect(decoder.answer().chat?.toolCalls.map((call) => call.arguments)).toEqual(['{"a":1}', '{"b":2}']);
});

test('message_start has usage, message_delta the final counts', () => {
  const usage = {
    inputTokens: 10,
    cacheReadTokens: 4,
    cacheWriteTokens: 0,
    outputTokens: 3,
    reasoningTokens: 2,
    inputAudioTokens: 0,
    outputAudioTokens: 0,
  };
  const events = dataOf(encode([START, text('a'), FINISH, { type: 'usage', usage, serviceTier: null }]));
  expect(events[0]).toMatchObject({
    message: { id: 'msg_x', usage: { input_tokens: 0, output_tokens: 0 }, content: [] },
  });
  expect(events.at(-2)).toMatchObject({
    delta: { stop_reason: 'tool_use' },
    usage: { input_tokens: 10, cache_read_input_tokens: 4, output_tokens: 5 },
  });
});

test('an empty answer is still a whole message', () => {
  checkProtocol(encode([]));
  checkProtocol(encode([START, FINISH]));
});

describe('any order of events', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('text' as const), text: fc.string({ minLength: 1 }) }),
    fc.record({ kind: fc.constant('thought' as const), text: fc.string({ minLength: 1 }) }),
    fc.record({ kind: fc.constant('tool' as const) }),
    fc.record({ kind: fc.constant('part' as const), of: fc.nat() }),
  );

  test('keeps the protocol and loses no text and no argument', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const parts = ['{"k"', ':[1,', '2]', '}'];
        const sent: number[] = [];
        const events: ChatEvent[] = [START];
        let words = '';
        for (const one of steps) {
          if (one.kind === 'text') {
            events.push(text(one.text));
            words += one.text;
          } else if (one.kind === 'thought') events.push({ type: 'reasoning-delta', choice: 0, text: one.text });
          else if (one.kind === 'tool') {
            events.push(tool(sent.length));
            sent.push(0);
          } else if (sent.length > 0) {
            const index = one.of % sent.length;
            const part = parts[sent[index] ?? 0];
            if (part === undefined) continue;
            events.push(args(index, part));
            sent[index] = (sent[index] ?? 0) + 1;
          }
        }
        const frames = encode([...events, FINISH]);
        checkProtocol(frames);
        const decoder = createAnthropicStreamDecoder(1);
        for (const frame of frames) decoder.push(frame);
        const chat = decoder.answer().chat;
        expect(chat?.text ?? '').toBe(words);
        expect(chat?.toolCalls.map((call) => call.arguments)).toEqual(
          sent.map((count) => (count === 0 ? '{}' : parts.slice(0, count).join(''))),
        );
      }),
    );
  });
});
