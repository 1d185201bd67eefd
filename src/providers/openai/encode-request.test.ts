import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import type { CallRequest, EncodeInput } from '../../core/ports/provider.ts';
import { openai, openaiCompatible } from './adapter.ts';

function input(request: CallRequest): EncodeInput {
  return { request, model: 'gpt-5', baseUrl: 'https://api.openai.com/v1', secret: 'sk-x', headers: {} };
}

function body(request: CallRequest, adapter = openai): JsonObject {
  return JSON.parse(adapter.encode(input(request)).body) as JsonObject;
}

const messages = [{ role: 'user', content: 'hi', x_unknown: 1 }];

describe('on its own wire a request', () => {
  test('keeps every field it came with but the model', () => {
    const sent = { model: 'smart', messages, prompt_cache_key: 'k', x_new: { deep: [null, 1.5] }, n: 3, metadata: {} };
    expect(body({ wire: 'openai-chat', body: sent, stream: false })).toEqual({ ...sent, model: 'gpt-5' });
  });

  test('keeps the fields in their order', () => {
    const sent = { messages, temperature: 1, model: 'smart', user: 'u' };
    expect(Object.keys(body({ wire: 'openai-chat', body: sent, stream: false }))).toEqual(Object.keys(sent));
  });

  test('asks for usage when streamed, beside the options it came with', () => {
    const sent = { model: 'm', messages, stream: true, stream_options: { include_obfuscation: false } };
    expect(body({ wire: 'openai-chat', body: sent, stream: true })).toMatchObject({
      stream: true,
      stream_options: { include_obfuscation: false, include_usage: true },
    });
  });

  test('loses the streaming fields when it is not streamed after all', () => {
    const sent = { model: 'm', messages, stream: true, stream_options: { include_usage: true } };
    expect(body({ wire: 'openai-chat', body: sent, stream: false })).toEqual({ model: 'gpt-5', messages });
  });

  test('passes keys that try to reach a prototype as plain keys', () => {
    const text = '{"model":"m","messages":[],"__proto__":{"stream":true},"constructor":1}';
    const sent = JSON.parse(text) as JsonObject;
    const { body: out } = openai.encode(input({ wire: 'openai-chat', body: sent, stream: false }));
    expect(out).toBe('{"model":"gpt-5","messages":[],"__proto__":{"stream":true},"constructor":1}');
  });

  test('for embeddings passes whole, base64 included, and its answer too', () => {
    const request: CallRequest = {
      wire: 'openai-embeddings',
      body: { model: 'm', input: ['a'], encoding_format: 'base64' },
      stream: false,
    };
    expect(openai.encode(input(request)).url).toBe('https://api.openai.com/v1/embeddings');
    expect(body(request)).toEqual({ ...request.body, model: 'gpt-5' });
    const answer = {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: 'AACAPw==' }],
      model: 'text-embedding-3-small',
      usage: { prompt_tokens: 8, total_tokens: 8 },
    };
    expect(openai.decodeAnswer(request, JSON.stringify(answer))).toMatchObject({
      wire: 'openai-embeddings',
      body: answer,
      chat: null,
      usage: { inputTokens: 8, outputTokens: 0 },
      model: 'text-embedding-3-small',
    });
    expect(() => openai.decodeAnswer(request, '{"object":"list"}')).toThrow(/without `data`/);
  });
});

describe('the bound that the gateway put on the output', () => {
  const sent = { model: 'smart', messages, max_completion_tokens: 100 };
  test('stands in the field that the provider heeds', () => {
    const request: CallRequest = { wire: 'openai-chat', body: sent, stream: false, outputBound: 100 };
    expect(body(request)).toEqual({ model: 'gpt-5', messages, max_completion_tokens: 100 });
    expect(body(request, openaiCompatible)).toEqual({ model: 'gpt-5', messages, max_tokens: 100 });
  });

  test('stands there in a converted request too', () => {
    const request: CallRequest = {
      wire: 'anthropic-messages',
      body: { model: 'm', messages },
      stream: false,
      outputBound: 7,
    };
    expect(body(request)).toMatchObject({ max_completion_tokens: 7 });
    expect(body(request, openaiCompatible)).toMatchObject({ max_tokens: 7 });
    expect(body(request, openaiCompatible)).not.toHaveProperty('max_completion_tokens');
  });

  test("leaves a caller's own limits as they came", () => {
    const own = { ...sent, max_tokens: 50 };
    expect(body({ wire: 'openai-chat', body: own, stream: false }, openaiCompatible)).toEqual({
      ...own,
      model: 'gpt-5',
    });
  });
});

describe("from Anthropic's wire a request", () => {
  const request: CallRequest = {
    wire: 'anthropic-messages',
    stream: true,
    body: {
      model: 'smart',
      max_tokens: 100,
      stream: true,
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 's' },
            { type: 'text', text: 'ho' },
          ],
        },
        { role: 'user', content: 'go on' },
      ],
    },
  };

  test('bounds the output by the field the kind knows', () => {
    expect(body(request)).toMatchObject({ max_completion_tokens: 100 });
    expect(body(request, openaiCompatible)).toMatchObject({ max_tokens: 100 });
    expect(body(request, openaiCompatible)).not.toHaveProperty('max_completion_tokens');
  });

  test('leaves out reasoning, and says so', () => {
    const encoded = openai.encode(input(request));
    expect(encoded.body).not.toContain('reasoning');
    expect(encoded.warnings).toEqual([{ path: 'messages[1]', message: expect.stringContaining('Reasoning') }]);
  });

  test('is streamed with usage', () => {
    expect(body(request)).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });
});

test('a request in Gemini format is refused', () => {
  const request: CallRequest = { wire: 'gemini-generate', body: {}, stream: false };
  expect(() => openai.encode(input(request))).toThrow(expect.objectContaining({ code: 'invalid_request' }));
});
