import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { geminiAdapter } from './adapter.ts';

const adapter = geminiAdapter(() => 0);
const USER = { role: 'user', content: 'hi' };

function encode(fields: JsonObject, model = 'gemini-2.5-pro') {
  const request: CallRequest = {
    wire: 'openai-chat',
    body: { model: 'm', messages: [USER], ...fields },
    stream: false,
  };
  const { url, body, warnings } = adapter.encode({
    request,
    model,
    baseUrl: 'https://g.test',
    secret: 's',
    headers: {},
  });
  return { url, body: JSON.parse(body) as JsonObject, losses: warnings.map(({ path }) => path) };
}

const call = (id: string, extra: JsonObject = {}) => ({
  id,
  type: 'function',
  function: { name: `f_${id}`, arguments: '{"a":1}' },
  ...extra,
});

test('a model name cannot leave its place in the URL', () => {
  for (const name of ['../../x', 'models/../x', 'a//b', '.', '']) {
    expect(() => encode({}, name)).toThrow(expect.objectContaining({ code: 'invalid_request', param: 'model' }));
  }
  expect(encode({}, 'x?y#z:w').url).toBe('https://g.test/v1beta/models/x%3Fy%23z%3Aw:generateContent');
  expect(encode({}, 'tunedModels/my-model').url).toBe('https://g.test/v1beta/tunedModels/my-model:generateContent');
  expect(encode({}, 'gemini 3').url).toBe('https://g.test/v1beta/models/gemini%203:generateContent');
});

test('its own wire passes untouched', () => {
  const body = { contents: [{ parts: [{ text: 'a' }] }], cachedContent: 'x', generationConfig: { topK: 3 } };
  const request: CallRequest = { wire: 'gemini-generate', body: { ...body, model: 'alias' }, stream: true };
  const encoded = adapter.encode({
    request,
    model: 'gemini-3-pro',
    baseUrl: 'https://g.test',
    secret: 's',
    headers: {},
  });
  expect(encoded.url).toBe('https://g.test/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse');
  expect(JSON.parse(encoded.body)).toEqual(body);
});

describe('tool calls in the history', () => {
  const history = (calls: JsonObject[]) => ({
    messages: [
      USER,
      { role: 'assistant', content: null, tool_calls: calls },
      ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'plain' })),
    ],
  });

  test('go back with their signatures, and results find the names of their calls', () => {
    const signed = call('a', { extra_content: { google: { thought_signature: 'SIG' } } });
    expect(encode(history([signed, call('b')]), 'gemini-3-pro-preview').body.contents).toEqual([
      { role: 'user', parts: [{ text: 'hi' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { id: 'a', name: 'f_a', args: { a: 1 } }, thoughtSignature: 'SIG' },
          { functionCall: { id: 'b', name: 'f_b', args: { a: 1 } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'f_a', response: { result: 'plain' } } },
          { functionResponse: { id: 'b', name: 'f_b', response: { result: 'plain' } } },
        ],
      },
    ]);
  });

  test("of another provider get Google's stand-in for a signature, for models that demand one", () => {
    const sent = (model: string) => JSON.stringify(encode(history([call('a'), call('b')]), model).body);
    expect(sent('gemini-3-pro-preview').match(/skip_thought_signature_validator/g)).toHaveLength(1);
    expect(sent('gemini-2.5-pro')).not.toContain('thoughtSignature');
  });

  test('a result without its call is refused', () => {
    const messages = [USER, { role: 'tool', tool_call_id: 'zz', content: 'x' }];
    expect(() => encode({ messages })).toThrow(
      expect.objectContaining({ code: 'capability_missing', param: 'messages[1].tool_call_id' }),
    );
  });
});

test("a signature of Gemini's goes back on the text it came with, another's does not", () => {
  const said = (reasoning_signature: string) => ({
    messages: [USER, { role: 'assistant', content: 'x', reasoning_signature }],
  });
  expect(encode(said('gemini/S')).body.contents).toMatchObject([{}, { parts: [{ text: 'x', thoughtSignature: 'S' }] }]);
  expect(JSON.stringify(encode(said('anthropic/S')).body)).not.toContain('thoughtSignature');
});

test.each<[string, string, JsonObject]>([
  ['none', 'gemini-2.5-flash', { thinkingBudget: 0, includeThoughts: false }],
  ['high', 'gemini-2.5-flash', { thinkingBudget: 24_576, includeThoughts: true }],
  ['minimal', 'gemini-3-pro-preview', { thinkingLevel: 'LOW', includeThoughts: true }],
  ['xhigh', 'gemini-3.5-flash', { thinkingLevel: 'HIGH', includeThoughts: true }],
  ['none', 'gemini-flash-latest', { thinkingLevel: 'MINIMAL', includeThoughts: false }],
])('effort %s for %s', (effort, model, thinkingConfig) => {
  expect(encode({ reasoning_effort: effort }, model).body.generationConfig).toEqual({ thinkingConfig });
});

test('sampling, penalties, seed, safety settings and audio are carried', () => {
  const safety_settings = [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }];
  const content = [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } }];
  const { body, losses } = encode({
    messages: [{ role: 'user', content }],
    top_p: 0.5,
    presence_penalty: 1,
    frequency_penalty: -1,
    seed: 7,
    stop: 'END',
    safety_settings,
  });
  expect(body).toEqual({
    contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'audio/mp3', data: 'AAAA' } }] }],
    generationConfig: { topP: 0.5, presencePenalty: 1, frequencyPenalty: -1, seed: 7, stopSequences: ['END'] },
    safetySettings: safety_settings,
  });
  expect(losses).toEqual([]);
});

test('tool choices become calling modes', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }];
  const mode = (fields: JsonObject) => encode({ tools, ...fields }).body.toolConfig;
  expect(mode({})).toBeUndefined();
  expect(mode({ tool_choice: 'none' })).toEqual({ functionCallingConfig: { mode: 'NONE' } });
  expect(mode({ tool_choice: { type: 'function', function: { name: 'f' } } })).toEqual({
    functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] },
  });
});

test('losses are told', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }];
  const fields = { tools, parallel_tool_calls: false, logprobs: true, user: 'u', metadata: { a: '1' } };
  expect(encode(fields).losses).toEqual(['logprobs', 'user', 'metadata', 'parallel_tool_calls']);
});

test.each<[string, JsonObject]>([
  ['n', { n: 2 }],
  ['modalities', { modalities: ['audio'] }],
  ['modalities', { modalities: ['text', 'image'] }],
  ['tools[0]', { tools: [{ type: 'custom' }] }],
  [
    'messages[0].content[0].image_url.url',
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'cat' } }] }] },
  ],
])('%s refuses the candidate', (param, fields) => {
  expect(() => encode(fields)).toThrow(expect.objectContaining({ code: 'capability_missing', param }));
});

test('audio in the prompt is counted apart, without what came from the cache', () => {
  const usageMetadata = {
    promptTokenCount: 100,
    cachedContentTokenCount: 40,
    candidatesTokenCount: 10,
    promptTokensDetails: [
      { modality: 'TEXT', tokenCount: 50 },
      { modality: 'AUDIO', tokenCount: 50 },
    ],
    cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 40 }],
  };
  const body = JSON.stringify({ candidates: [{ content: { parts: [] }, finishReason: 'STOP' }], usageMetadata });
  const request: CallRequest = { wire: 'openai-chat', body: {}, stream: false };
  expect(adapter.decodeAnswer(request, body).usage).toMatchObject({
    inputTokens: 50,
    cacheReadTokens: 40,
    inputAudioTokens: 10,
  });
});

test('calls without an id get one from the answer', () => {
  const part = { functionCall: { name: 'f' } };
  const body = JSON.stringify({
    responseId: 'r1',
    candidates: [{ content: { parts: [part, part] }, finishReason: 'STOP' }],
  });
  const request: CallRequest = { wire: 'openai-chat', body: {}, stream: false };
  expect(adapter.decodeAnswer(request, body).chat?.toolCalls).toEqual([
    { id: 'call_r1_0', name: 'f', arguments: '{}' },
    { id: 'call_r1_1', name: 'f', arguments: '{}' },
  ]);
});
