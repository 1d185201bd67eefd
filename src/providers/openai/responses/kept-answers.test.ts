import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../core/json.ts';
import type { CallRequest, EncodeInput } from '../../../core/ports/provider.ts';
import { modelCapabilities } from '../../capabilities.ts';
import { providerAdapters } from '../../registry.ts';
import { openAiKeptAnswers as kept } from './kept-answers.ts';

const messages = [{ role: 'user', content: 'hi' }];
const inputOf = (body: JsonObject, more: Partial<CallRequest> = {}): EncodeInput => ({
  request: { wire: 'openai-chat', stream: false, body: { model: 'alias', messages, ...body }, ...more },
  model: 'gpt-5',
  baseUrl: 'https://provider.test/v1',
  secret: 'sk-test',
  headers: { 'OpenAI-Organization': 'org' },
});
const sent = (body: JsonObject, more: Partial<CallRequest> = {}) =>
  JSON.parse(kept.encodeStart(inputOf(body, more)).body) as JsonObject;

describe('a start', () => {
  it('asks for work in the background whose answer is kept', () => {
    const { url, headers, body, warnings } = kept.encodeStart(inputOf({ stream: false, stream_options: {} }));
    expect(url).toBe('https://provider.test/v1/responses');
    expect(headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      authorization: 'Bearer sk-test',
      'openai-organization': 'org',
    });
    expect(JSON.parse(body)).toEqual({
      model: 'gpt-5',
      input: [{ role: 'user', content: 'hi' }],
      background: true,
      store: true,
    });
    expect(warnings).toEqual([]);
  });

  it('asks for its events where the caller streams: what was not begun as a stream is none later', () => {
    const { headers, body } = kept.encodeStart(inputOf({ stream: true }, { stream: true }));
    expect(headers['accept']).toBe('text/event-stream');
    expect(JSON.parse(body)).toMatchObject({ background: true, store: true, stream: true });
  });

  it('carries a whole conversation: system, image, file, tool calls and their results', () => {
    const conversation = [
      { role: 'system', content: 'be brief' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'look' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA==' } },
        ],
      },
      {
        role: 'assistant',
        content: 'calling',
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'done' },
    ];
    expect(sent({ messages: conversation })['input']).toEqual([
      { role: 'system', content: 'be brief' },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'look' },
          { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'auto' },
          { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA==' },
        ],
      },
      { role: 'assistant', content: [{ type: 'output_text', text: 'calling' }] },
      { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"a":1}' },
      { type: 'function_call_output', call_id: 'call_1', output: 'done' },
    ]);
  });

  it('carries tools, formats, reasoning and bounds under the names of the other wire', () => {
    const schema = { name: 's', schema: { type: 'object' }, strict: true };
    const tool = { name: 'f', parameters: { type: 'object' } };
    expect(
      sent({
        tools: [{ type: 'function', function: tool }],
        tool_choice: { type: 'function', function: { name: 'f' } },
        response_format: { type: 'json_schema', json_schema: schema },
        reasoning_effort: 'high',
        verbosity: 'low',
        max_completion_tokens: 99,
        temperature: 0.5,
        metadata: { job: '7' },
      }),
    ).toMatchObject({
      tools: [{ type: 'function', strict: false, ...tool }],
      tool_choice: { type: 'function', name: 'f' },
      text: { format: { type: 'json_schema', ...schema }, verbosity: 'low' },
      reasoning: { effort: 'high' },
      max_output_tokens: 99,
      temperature: 0.5,
      metadata: { job: '7' },
    });
  });

  it("the gateway's own bound on the output goes before the caller's", () => {
    expect(sent({ max_tokens: 99 }, { outputBound: 40 })['max_output_tokens']).toBe(40);
  });

  it('warns of what has no counterpart', () => {
    const { warnings } = kept.encodeStart(inputOf({ stop: ['x'], seed: 7, frequency_penalty: 0, logprobs: false }));
    expect(warnings.map(({ path }) => path).sort()).toEqual(['seed', 'stop']);
  });

  it.each([
    [{ n: 2 }, 'n'],
    [{ functions: [{}] }, 'functions'],
    [{ store: false }, 'store'],
    [{ tools: [{ type: 'custom', custom: {} }] }, 'tools[0]'],
    [{ messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }, 'messages[0].content[0]'],
    [{ messages: [{ role: 'wizard', content: '' }] }, 'messages[0].role'],
  ])('refuses what cannot be carried: %j', (body, param) => {
    expect(kept.carries({ model: 'm', messages, ...(body as JsonObject) })).toBe(false);
    const error = expect.objectContaining({ code: 'capability_missing', param }) as Error;
    expect(() => kept.encodeStart(inputOf(body as JsonObject))).toThrow(error);
  });

  it('says beforehand what it carries', () => {
    expect(kept.carries({ model: 'm', messages, tools: [{ type: 'function', function: { name: 'f' } }] })).toBe(true);
    expect(kept.carries({ model: 'm', input: 'x' })).toBe(false);
  });

  it('refuses embeddings', () => {
    const input = inputOf({ input: 'x' }, { wire: 'openai-embeddings' });
    expect(() => kept.encodeStart(input)).toThrow(/embeddings/);
  });
});

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_750_000_000,
  status: 'completed',
  model: 'gpt-5-2026',
  service_tier: 'flex',
  output: [
    { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] },
    {
      type: 'message',
      role: 'assistant',
      content: [
        { type: 'output_text', text: 'Hello ' },
        { type: 'output_text', text: 'there' },
      ],
    },
  ],
  usage: {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 40 },
    output_tokens: 30,
    output_tokens_details: { reasoning_tokens: 20 },
    total_tokens: 130,
  },
};
const decode = (change: JsonObject = {}) => kept.decode(JSON.stringify({ ...RESPONSE, ...change }));

describe('what is kept', () => {
  it('is read whole: text, reasoning, disjoint usage, tier', () => {
    expect(decode()).toMatchObject({
      state: 'answered',
      responseId: 'resp_1',
      answer: {
        wire: 'openai-responses',
        body: RESPONSE,
        model: 'gpt-5-2026',
        serviceTier: 'flex',
        usage: { inputTokens: 60, cacheReadTokens: 40, outputTokens: 10, reasoningTokens: 20 },
        chat: { text: 'Hello there', reasoning: 'hm', finishReason: 'stop', created: 1_750_000_000 },
      },
    });
  });

  it('is read with its tool calls, by the id that their results come back under', () => {
    const output = [{ type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: '{}' }];
    expect(decode({ output })).toMatchObject({
      answer: {
        chat: { text: null, finishReason: 'tool_calls', toolCalls: [{ id: 'call_1', name: 'f', arguments: '{}' }] },
      },
    });
  });

  it.each([
    ['max_output_tokens', 'length'],
    ['content_filter', 'content_filter'],
  ])('that is incomplete for %s is an answer with the finish reason %s', (reason, finishReason) => {
    expect(decode({ status: 'incomplete', incomplete_details: { reason } })).toMatchObject({
      state: 'answered',
      answer: { chat: { finishReason, rawFinishReason: reason } },
    });
  });

  it.each(['queued', 'in_progress'])('that is %s is pending', (status) => {
    expect(decode({ status, output: [], usage: null })).toEqual({ state: 'pending', responseId: 'resp_1' });
  });

  it.each([
    ['server_error', { code: 'provider_unavailable', retryable: true }],
    ['rate_limit_exceeded', { code: 'provider_rate_limited', retryable: true }],
  ])('that failed with %s is classified, and free without a usage', (code, failure) => {
    const error = { code, message: 'no' };
    expect(decode({ status: 'failed', error, usage: null })).toMatchObject({ state: 'failed', failure, partial: null });
  });

  it('that was cancelled is billed by its usage; without one nobody knows what it cost', () => {
    expect(decode({ status: 'cancelled' })).toMatchObject({
      state: 'failed',
      failure: { code: 'provider_unavailable' },
      partial: { usage: { inputTokens: 60 } },
    });
    expect(decode({ status: 'cancelled', usage: null })).toMatchObject({
      failure: { code: 'outcome_unknown', retryable: false },
      partial: null,
    });
  });

  it('as a stored completion is read on its own wire', () => {
    const body = { id: 'chatcmpl-1', object: 'chat.completion', choices: [{ index: 0, message: { content: 'hi' } }] };
    expect(kept.decode(JSON.stringify(body))).toMatchObject({
      state: 'answered',
      responseId: 'chatcmpl-1',
      answer: { wire: 'openai-chat', chat: { text: 'hi' } },
    });
  });

  it.each(['', '[]', '{}', '{"object":"response"}', '{"object":"response","id":"r","status":"melted"}'])(
    'but cannot be read is a broken answer: %s',
    (text) => {
      const failure = expect.objectContaining({ code: 'provider_unavailable' }) as unknown;
      expect(() => kept.decode(text)).toThrow(expect.objectContaining({ failure }) as Error);
    },
  );
});

it('the id says where it is asked for, and whether it can be stopped', () => {
  const query = { baseUrl: 'https://p.test/v1', secret: 's', headers: {} };
  const urls = ['resp_a/b', 'chatcmpl-1'].map((responseId) => ({
    ask: kept.encodeRetrieve({ ...query, responseId }).url,
    stop: kept.encodeCancel({ ...query, responseId })?.url ?? null,
  }));
  expect(urls).toEqual([
    { ask: 'https://p.test/v1/responses/resp_a%2Fb', stop: 'https://p.test/v1/responses/resp_a%2Fb/cancel' },
    { ask: 'https://p.test/v1/chat/completions/chatcmpl-1', stop: null },
  ]);
});

it('a stream is asked for from its start, or after an event', () => {
  const query = { baseUrl: 'https://p.test/v1', secret: 's', headers: {}, responseId: 'resp_1' };
  expect([null, 0, 41].map((after) => kept.encodeFollow(query, after).url)).toEqual([
    'https://p.test/v1/responses/resp_1?stream=true',
    'https://p.test/v1/responses/resp_1?stream=true&starting_after=0',
    'https://p.test/v1/responses/resp_1?stream=true&starting_after=41',
  ]);
  expect(kept.encodeFollow(query, 1)).toMatchObject({ method: 'GET', headers: { accept: 'text/event-stream' } });
});

it('a completion is kept only where its caller asked for that', () => {
  const ask = (store: boolean | undefined, id: string) =>
    kept.isKept(inputOf(store === undefined ? {} : { store }).request, id);
  expect([ask(true, 'chatcmpl-1'), ask(false, 'chatcmpl-1'), ask(undefined, 'chatcmpl-1')]).toEqual([
    true,
    false,
    false,
  ]);
  expect(ask(undefined, 'resp_1')).toBe(true);
});

it('the kinds that say that they work in the background are those that keep answers', () => {
  for (const [kind, adapter] of providerAdapters) {
    expect(modelCapabilities(kind, 'any-model').supports.has('background')).toBe(adapter.kept !== undefined);
  }
});
