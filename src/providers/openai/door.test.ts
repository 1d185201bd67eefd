import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { openaiChatDoor, openaiEmbeddingsDoor } from './door.ts';

const GOOD: JsonObject = { model: 'smart', messages: [{ role: 'user', content: 'hi' }] };

function refusal(run: () => unknown): HoldfastError {
  try {
    run();
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

const user = (content: unknown) => ({ messages: [{ role: 'user', content }] });
const call = (fields: JsonObject) => ({ messages: [{ role: 'assistant', tool_calls: [fields] }] });

describe('a chat request is refused with the path of the fault', () => {
  test.each<[string, object]>([
    ['model', { model: undefined }],
    ['model', { model: '' }],
    ['model', { model: 7 }],
    ['model', { model: 'x'.repeat(257) }],
    ['model', { model: 'a\0b' }],
    ['model', { model: 'a\uD800' }],
    ['messages', { messages: undefined }],
    ['messages', { messages: [] }],
    ['messages', { messages: {} }],
    ['messages[0]', { messages: ['hi'] }],
    ['messages[0].role', { messages: [{ role: 'wizard', content: 'x' }] }],
    ['messages[0].role', { messages: [{ role: '__proto__', content: 'x' }] }],
    ['messages[0].content', user(undefined)],
    ['messages[0].content', user(null)],
    ['messages[0].content', user(7)],
    ['messages[0].content', user([])],
    ['messages[0].content[0]', user(['hi'])],
    ['messages[0].content[0].type', user([{ text: 'hi' }])],
    ['messages[0].content[0].text', user([{ type: 'text' }])],
    [
      'messages[0].content[1].image_url',
      user([
        { type: 'text', text: '' },
        { type: 'image_url', image_url: 'x' },
      ]),
    ],
    ['messages[0].content[0].image_url.url', user([{ type: 'image_url', image_url: {} }])],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].tool_calls', { messages: [{ role: 'assistant', tool_calls: [] }] }],
    ['messages[0].tool_calls[0].id', call({ function: { name: 'f', arguments: '' } })],
    ['messages[0].tool_calls[0].function', call({ id: 'a' })],
    ['messages[0].tool_calls[0].function.name', call({ id: 'a', function: { name: '', arguments: '' } })],
    ['messages[0].tool_calls[0].function.arguments', call({ id: 'a', function: { name: 'f', arguments: {} } })],
    ['temperature', { temperature: 2.01 }],
    ['temperature', { temperature: -0.1 }],
    ['temperature', { temperature: '1' }],
    ['top_p', { top_p: 1.1 }],
    ['presence_penalty', { presence_penalty: 3 }],
    ['n', { n: 0 }],
    ['n', { n: 129 }],
    ['n', { n: 1.5 }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['max_completion_tokens', { max_completion_tokens: -1 }],
    ['max_completion_tokens', { max_completion_tokens: 2 ** 60 }],
    ['max_completion_tokens', { max_completion_tokens: 10_000_001 }],
    ['max_tokens', { max_tokens: 10_000_001 }],
    ['stream', { stream: 'yes' }],
    ['stop', { stop: [1] }],
    ['stream_options', { stream_options: true }],
    ['tools', { tools: {} }],
    ['tools[0].type', { tools: [{}] }],
    ['tools[0].function', { tools: [{ type: 'function' }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: {} }] }],
    ['tools[0].function.parameters', { tools: [{ type: 'function', function: { name: 'f', parameters: 'x' } }] }],
    ['tool_choice', { tool_choice: 'always' }],
    ['tool_choice.function', { tool_choice: { type: 'function' } }],
    ['response_format', { response_format: 'json' }],
    ['response_format.type', { response_format: {} }],
    ['response_format.json_schema', { response_format: { type: 'json_schema' } }],
  ])('%s: %j', (param, fields) => {
    const error = refusal(() => openaiChatDoor.parseRequest({ ...GOOD, ...fields }));
    expect(error).toMatchObject({ code: 'invalid_request', status: 400, param });
    expect(error.message).toContain(`\`${param}\``);
  });

  test.each([null, undefined, 'text', 7, [], true])('the body %j is no object', (body) => {
    expect(refusal(() => openaiChatDoor.parseRequest(body))).toMatchObject({ code: 'invalid_request', param: 'body' });
  });
});

test('a body nested without end is refused before anything recurses into it', () => {
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as JsonObject[];
  const error = refusal(() => openaiChatDoor.parseRequest({ ...GOOD, metadata: deep }));
  expect(error).toMatchObject({ code: 'invalid_request', param: 'body' });
});

describe('a chat request passes', () => {
  test.each<[string, object]>([
    ['with nulls where nothing is meant', { temperature: null, n: null, stop: null, tools: null, stream: null }],
    ['at the edges of the ranges', { temperature: 2, top_p: 0, n: 128, max_tokens: 1, seed: -5 }],
    ['with fields nobody knows', { x_new: { a: 1 }, reasoning_effort: 'whatever' }],
    ['with part and tool types nobody knows', { ...user([{ type: 'video', video: {} }]), tools: [{ type: 'new' }] }],
    ['with an assistant message without content', { messages: [{ role: 'assistant', content: null }] }],
    ['with a developer message', { messages: [{ role: 'developer', content: 'x' }] }],
  ])('%s', (_name, fields) => {
    const body = { ...GOOD, ...fields };
    expect(openaiChatDoor.parseRequest(body)).toEqual({ wire: 'openai-chat', body, stream: false });
  });

  test('with keys that try to reach a prototype, which stay plain keys', () => {
    const body: unknown = JSON.parse(
      '{"model":"m","messages":[{"role":"user","content":"x","__proto__":{"role":"system"}}],"__proto__":{"stream":true},"constructor":{"prototype":{"x":1}}}',
    );
    const request = openaiChatDoor.parseRequest(body);
    expect(request.stream).toBe(false);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('an embeddings request', () => {
  test.each(['text', ['a', 'b'], [1, 2, 3], [[1, 2], [3]]].map((input) => [input]))('passes with input %j', (input) => {
    const body = { model: 'm', input, encoding_format: 'base64', dimensions: 256 };
    expect(openaiEmbeddingsDoor.parseRequest(body)).toEqual({ wire: 'openai-embeddings', body, stream: false });
  });

  test.each<[string, object]>([
    ['input', {}],
    ['input', { input: '' }],
    ['input', { input: [] }],
    ['input', { input: { a: 1 } }],
    ['input[1]', { input: ['a', ''] }],
    ['input[0]', { input: [[]] }],
    ['input[1]', { input: [1, 'a'] }],
    ['input[1]', { input: [1, -1] }],
    ['input[0]', { input: [[1.5]] }],
    ['dimensions', { input: 'a', dimensions: 0 }],
    ['encoding_format', { input: 'a', encoding_format: 'hex' }],
  ])('is refused at %s: %j', (param, fields) => {
    expect(refusal(() => openaiEmbeddingsDoor.parseRequest({ model: 'm', ...fields }))).toMatchObject({ param });
  });

  test('cannot be streamed', () => {
    const request = openaiEmbeddingsDoor.parseRequest({ model: 'm', input: 'a' });
    expect(() => openaiEmbeddingsDoor.createStreamEncoder(request)).toThrow(/cannot be streamed/);
  });
});
