/** Events in the shapes of the official SDK. */
import type { Response, ResponseOutputItem, ResponseStreamEvent } from 'openai/resources/responses/responses';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatEvent } from '../../../core/chat.ts';
import { ProviderFailureError } from '../../../core/ports/provider.ts';
import { doorWires } from '../../registry.ts';
import { replayFrames } from '../../stream-bridge.ts';
import { createResponseStreamDecoder } from './stream-decoder.ts';

/** Each with all of its fields but its number. */
type Unnumbered = ResponseStreamEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'sequence_number'>
    : never
  : never;

const response = (status: Response['status'], more: object = {}) =>
  ({
    id: 'resp_1',
    object: 'response',
    created_at: 1_750_000_000,
    status,
    model: 'gpt-5-2026',
    output: [],
    error: null,
    ...more,
  }) as unknown as Response;
const usage = { input_tokens: 9, output_tokens: 5, output_tokens_details: { reasoning_tokens: 2 } };
const message = { type: 'message', id: 'msg_1', role: 'assistant', status: 'in_progress', content: [] };
const item = (fields: object) => fields as unknown as ResponseOutputItem;
const textDelta = (delta: string): Unnumbered => ({
  type: 'response.output_text.delta',
  item_id: 'msg_1',
  output_index: 1,
  content_index: 0,
  delta,
  logprobs: [],
});
const argumentsDelta = (output_index: number, delta: string): Unnumbered => ({
  type: 'response.function_call_arguments.delta',
  item_id: 'fc',
  output_index,
  delta,
});
const added = (output_index: number, fields: object): Unnumbered => ({
  type: 'response.output_item.added',
  output_index,
  item: item(fields),
});
const completed = (output: object[]): Unnumbered => ({
  type: 'response.completed',
  response: response('completed', { output, usage }),
});
const said = (text: string) => ({ type: 'message', content: [{ type: 'output_text', text }] });

const STREAM: Unnumbered[] = [
  { type: 'response.created', response: response('queued') },
  { type: 'response.queued', response: response('queued') },
  { type: 'response.in_progress', response: response('in_progress') },
  added(0, { type: 'reasoning', id: 'rs_1', summary: [] }),
  {
    type: 'response.reasoning_summary_part.added',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    part: { type: 'summary_text', text: '' },
  },
  { type: 'response.reasoning_summary_text.delta', item_id: 'rs_1', output_index: 0, summary_index: 0, delta: 'hm' },
  added(1, message),
  {
    type: 'response.content_part.added',
    item_id: 'msg_1',
    output_index: 1,
    content_index: 0,
    part: { type: 'output_text', text: '', annotations: [] },
  },
  textDelta('Hello '),
  textDelta('there'),
  {
    type: 'response.output_text.done',
    item_id: 'msg_1',
    output_index: 1,
    content_index: 0,
    text: 'Hello there',
    logprobs: [],
  },
  completed([said('Hello there')]),
];
const numbered = (events: readonly Unnumbered[]) =>
  events.map((event, index) => ({ ...event, sequence_number: index }));
const raw = (event: unknown) => ({ data: JSON.stringify(event) });

function decode(events: readonly Unnumbered[]) {
  const decoder = createResponseStreamDecoder();
  return { decoder, events: numbered(events).flatMap((event) => decoder.push(raw(event))) };
}
const textIn = (events: readonly ChatEvent[]) =>
  events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
const broken = (message: RegExp) =>
  expect.objectContaining({
    message: expect.stringMatching(message) as string,
    failure: expect.objectContaining({ code: 'provider_unavailable' }) as unknown,
  }) as Error;

describe('the stream of a response', () => {
  it('is its start, its deltas, then how it ended and what it counted', () => {
    const { decoder, events } = decode(STREAM);
    expect(events).toMatchObject([
      { type: 'start', id: 'resp_1', model: 'gpt-5-2026', created: 1_750_000_000 },
      { type: 'reasoning-delta', choice: 0, text: 'hm' },
      { type: 'text-delta', choice: 0, text: 'Hello ' },
      { type: 'text-delta', choice: 0, text: 'there' },
      { type: 'finish', choice: 0, reason: 'stop', rawReason: 'completed' },
      { type: 'usage', usage: { inputTokens: 9, outputTokens: 3, reasoningTokens: 2 } },
    ]);
    expect(decoder).toMatchObject({ responseId: 'resp_1', cursor: 11, isFaithful: true });
    expect(decoder.said).toMatchObject({ state: 'answered', answer: { chat: { text: 'Hello there' } } });
  });

  it('is the answer that the same response is in one piece', () => {
    const { decoder } = decode(STREAM);
    const last = STREAM.at(-1);
    const body = last?.type === 'response.completed' ? last.response : null;
    expect(decoder.said).toMatchObject({ answer: { body, rawUsage: usage, wire: 'openai-responses' } });
  });

  it('has tool calls in their order, under the ids that their results come back under', () => {
    const call = (call_id: string, name: string, text: string) => ({
      type: 'function_call',
      id: `fc_${call_id}`,
      call_id,
      name,
      arguments: text,
    });
    const { decoder, events } = decode([
      ...STREAM.slice(0, 1),
      added(0, call('call_1', 'f', '')),
      argumentsDelta(0, '{"a"'),
      argumentsDelta(0, ':1}'),
      added(1, call('call_2', 'g', '{}')),
      completed([call('call_1', 'f', '{"a":1}'), call('call_2', 'g', '{}')]),
    ]);
    expect(events.slice(1)).toMatchObject([
      { type: 'tool-call-start', index: 0, id: 'call_1', name: 'f' },
      { type: 'tool-call-delta', index: 0, argumentsDelta: '{"a"' },
      { type: 'tool-call-delta', index: 0, argumentsDelta: ':1}' },
      { type: 'tool-call-start', index: 1, id: 'call_2', name: 'g' },
      { type: 'tool-call-delta', index: 1, argumentsDelta: '{}' },
      { type: 'finish', reason: 'tool_calls' },
      { type: 'usage' },
    ]);
    expect(decoder.isFaithful).toBe(true);
  });

  it('has refusals', () => {
    const { decoder, events } = decode([
      ...STREAM.slice(0, 1),
      { type: 'response.refusal.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'No.' },
      completed([{ type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] }]),
    ]);
    expect(events[1]).toEqual({ type: 'refusal-delta', choice: 0, text: 'No.' });
    expect(decoder.isFaithful).toBe(true);
  });

  it('that is incomplete is an answer, and one that failed is a failure with what was made', () => {
    const incomplete_details = { reason: 'max_output_tokens' };
    const cut = decode([
      ...STREAM.slice(0, -1),
      {
        type: 'response.incomplete',
        response: response('incomplete', { incomplete_details, output: [said('Hello there')], usage }),
      },
    ]);
    expect(cut.events).toContainEqual({
      type: 'finish',
      choice: 0,
      reason: 'length',
      rawReason: 'max_output_tokens',
    });
    expect(cut.decoder).toMatchObject({ said: { state: 'answered' }, isFaithful: true });
    const error = { code: 'server_error', message: 'no' };
    const { decoder, events } = decode([
      ...STREAM.slice(0, 9),
      { type: 'response.failed', response: response('failed', { error, usage }) },
    ]);
    expect(decoder.said).toMatchObject({
      state: 'failed',
      failure: { code: 'provider_unavailable' },
      partial: { usage: { outputTokens: 3 } },
    });
    expect(decoder.isFaithful).toBe(false);
    expect(events.at(-1)).toMatchObject({ type: 'text-delta' });
  });
});

describe('a stream that is asked for again', () => {
  it.each([...STREAM.keys()])('goes on after event %i as if it had never broken', (last) => {
    const events = numbered(STREAM);
    const decoder = createResponseStreamDecoder();
    const first = events.slice(0, last + 1).flatMap((event) => decoder.push(raw(event)));
    const rest = events.slice((decoder.cursor ?? -1) + 1).flatMap((event) => decoder.push(raw(event)));
    expect([...first, ...rest]).toEqual(decode(STREAM).events);
    expect(decoder.isFaithful).toBe(true);
  });

  it('gives nothing twice where the provider begins before the place that it was asked for', () => {
    const events = numbered(STREAM);
    const decoder = createResponseStreamDecoder();
    const out = [...events.slice(0, 9), ...events].flatMap((event) => decoder.push(raw(event)));
    expect(out).toEqual(decode(STREAM).events);
  });

  it('has the same events whatever says nothing in between: a keep-alive with a number moves no other', () => {
    const quiet = numbered(STREAM);
    const noisy = quiet.flatMap((event, index) => [
      { ...event, sequence_number: index * 2 },
      { type: 'keepalive', sequence_number: index * 2 + 1 },
    ]);
    const decoder = createResponseStreamDecoder();
    expect(noisy.flatMap((event) => decoder.push(raw(event)))).toEqual(decode(STREAM).events);
  });
});

it('its frames that say something are enough to replay it, in each wire of a caller', () => {
  const decoder = createResponseStreamDecoder();
  const frames = numbered(STREAM).flatMap((event) => (decoder.push(raw(event)).length > 0 ? [raw(event)] : []));
  expect(frames).toHaveLength(5);
  if (decoder.said?.state !== 'answered') throw new Error('it did not end');
  const stored = { answer: decoder.said.answer, frames, warnings: [] };
  for (const wire of ['openai-chat', 'anthropic-messages'] as const) {
    const request = { wire, body: {}, stream: true };
    const encoder = doorWires[wire].createStreamEncoder(request);
    const live = [...decode(STREAM).events.flatMap((event) => encoder.push([event])), ...encoder.end()];
    expect(replayFrames(stored, doorWires[wire], request)).toEqual(live);
  }
});

describe('what was streamed is compared with the answer', () => {
  it.each([
    ['lacks text', [...STREAM.slice(0, 9), completed([said('Hello there')])]],
    ['has more text', [...STREAM.slice(0, -1), completed([said('Hello')])]],
    ['lacks a tool call', [...STREAM.slice(0, -1), completed([said('Hello there'), { type: 'function_call' }])]],
  ] as const)('and does not make it up where it %s', (_how, events) => {
    const { decoder } = decode(events);
    expect(decoder).toMatchObject({ said: { state: 'answered' }, isFaithful: false });
  });
});

describe('an event that cannot be', () => {
  const push = (...events: unknown[]) => {
    const decoder = createResponseStreamDecoder();
    for (const event of events) decoder.push(typeof event === 'string' ? { data: event } : raw(event));
    return decoder;
  };
  const created = numbered(STREAM)[0];

  it.each([
    ['is no JSON', /not a JSON object/, ['{"type":"resp']],
    ['has no number', /sequence_number/, [created, textDelta('x')]],
    ['comes before its response', /without a response/, [{ ...textDelta('x'), sequence_number: 0 }]],
    ['has a response without an id', /no id/, [{ type: 'response.created', sequence_number: 0, response: {} }]],
    [
      'is of another response',
      /two responses/,
      [created, { type: 'response.in_progress', sequence_number: 1, response: { id: 'resp_2' } }],
    ],
    [
      'ends what has not ended',
      /has not ended/,
      [created, { type: 'response.completed', sequence_number: 1, response: response('in_progress') }],
    ],
    [
      'goes on with a call that did not begin',
      /did not begin/,
      [created, { ...argumentsDelta(4, '{'), sequence_number: 1 }],
    ],
  ])('is a fault where it %s', (_what, message, events) => {
    expect(() => push(...events)).toThrow(broken(message));
  });

  it('is the error that the provider names, in either of its forms', () => {
    const fields = { code: 'rate_limit_exceeded', message: 'slow down', param: null };
    const failure = expect.objectContaining({ code: 'provider_rate_limited' }) as unknown;
    const limited = expect.objectContaining({ failure }) as Error;
    expect(() => push(created, { type: 'error', sequence_number: 1, ...fields })).toThrow(limited);
    expect(() => push(created, { type: 'error', sequence_number: 1, error: fields })).toThrow(limited);
  });

  it('leaves the place where it was', () => {
    const decoder = push(...numbered(STREAM).slice(0, 9));
    expect(() => decoder.push({ data: 'nope' })).toThrow();
    expect(decoder.cursor).toBe(8);
    expect(textIn(decoder.push(raw(numbered(STREAM)[9])))).toBe('there');
  });
});

it('events of any shape are read or refused in its own terms', () => {
  const type = fc.constantFrom(...STREAM.map((event) => event.type), 'response.failed', 'error', 'other');
  const event = fc.record(
    {
      type,
      sequence_number: fc.oneof(fc.nat(20), fc.jsonValue()),
      response: fc.oneof(fc.constant(response('completed')), fc.jsonValue()),
      item: fc.oneof(fc.constant({ type: 'function_call' }), fc.jsonValue()),
      delta: fc.jsonValue(),
      output_index: fc.jsonValue(),
      error: fc.jsonValue(),
    },
    { requiredKeys: ['type'] },
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 8 }), (events) => {
      const decoder = createResponseStreamDecoder();
      for (const one of [numbered(STREAM)[0], ...events]) {
        try {
          decoder.push(raw(one));
        } catch (error) {
          if (!(error instanceof ProviderFailureError)) throw error;
        }
      }
      expect(decoder.responseId).toBe('resp_1');
    }),
  );
});
