/** The simulator's answers in OpenAI's wire. Written on its own, not with our codecs, so that it can contradict them. */
import type { Json, JsonObject } from '../core/json.ts';
import { embed, pieces, tokensIn, type Composition } from './compose.ts';

const CREATED = 1_700_000_000;
const DEFAULT_DIMENSIONS = 64;

export function openAiAnswer(model: string, said: Composition): JsonObject {
  return {
    id: said.id,
    object: 'chat.completion',
    created: CREATED,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: said.toolCalls.length > 0 ? null : said.text,
          ...(said.reasoning && { reasoning_content: said.reasoning }),
          ...(said.toolCalls.length > 0 && { tool_calls: said.toolCalls.map(toolCall) }),
          refusal: null,
        },
        logprobs: null,
        finish_reason: said.toolCalls.length > 0 ? 'tool_calls' : 'stop',
      },
    ],
    usage: usage(said),
    system_fingerprint: 'simulator',
  };
}

/** The `data:` texts of the stream, without the closing `[DONE]`. */
export function openAiStream(model: string, said: Composition, wantsUsage: boolean): string[] {
  const head = {
    id: said.id,
    object: 'chat.completion.chunk',
    created: CREATED,
    model,
    system_fingerprint: 'simulator',
  };
  const chunk = (delta: JsonObject, finish: string | null = null) =>
    JSON.stringify({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
  return [
    chunk({ role: 'assistant', content: '' }),
    ...pieces(said.reasoning).map((text) => chunk({ reasoning_content: text })),
    ...said.toolCalls.flatMap((call, index) => [
      chunk({ tool_calls: [{ index, ...toolCall({ ...call, arguments: '' }) }] }),
      ...(call.arguments.match(/.{1,8}/gs) ?? []).map((text) =>
        chunk({ tool_calls: [{ index, function: { arguments: text } }] }),
      ),
    ]),
    ...pieces(said.text).map((text) => chunk({ content: text })),
    chunk({}, said.toolCalls.length > 0 ? 'tool_calls' : 'stop'),
    ...(wantsUsage ? [JSON.stringify({ ...head, choices: [], usage: usage(said) })] : []),
  ];
}

type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled';

/** A response object of the Responses API. Only what is completed has an output and a usage. */
export function openAiResponse(id: string, model: string, said: Composition, status: ResponseStatus): JsonObject {
  const isDone = status === 'completed';
  return {
    id,
    object: 'response',
    created_at: CREATED,
    status,
    background: true,
    error: status === 'failed' ? { code: 'server_error', message: 'The simulator was told to fail.' } : null,
    incomplete_details: null,
    model,
    output: isDone ? responseItems(said) : [],
    usage: isDone ? responseUsage(said) : null,
  };
}

export function responseItems(said: Composition): JsonObject[] {
  const content = [{ type: 'output_text', text: said.text, annotations: [] }];
  return [
    ...(said.reasoning
      ? [{ type: 'reasoning', id: `rs_${said.id}`, summary: [{ type: 'summary_text', text: said.reasoning }] }]
      : []),
    ...(said.text ? [{ type: 'message', id: `msg_${said.id}`, status: 'completed', role: 'assistant', content }] : []),
    ...said.toolCalls.map(({ id, name, arguments: text }) => ({
      type: 'function_call',
      id: `fc_${id}`,
      call_id: id,
      name,
      arguments: text,
      status: 'completed',
    })),
  ];
}

function responseUsage(said: Composition): JsonObject {
  const output = said.textTokens + said.reasoningTokens;
  return {
    input_tokens: said.promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: said.reasoningTokens },
    total_tokens: said.promptTokens + output,
  };
}

export function openAiEmbeddings(model: string, body: JsonObject): JsonObject {
  const input = Array.isArray(body['input']) ? body['input'] : [body['input'] ?? ''];
  const dimensions = typeof body['dimensions'] === 'number' ? body['dimensions'] : DEFAULT_DIMENSIONS;
  const texts = input.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
  const tokens = texts.reduce((sum, text) => sum + tokensIn(text), 0);
  return {
    object: 'list',
    model,
    data: texts.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: encode(embed(text, dimensions), body),
    })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

export function openAiError(status: number, message: string): JsonObject {
  const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error';
  return { error: { message, type, param: null, code: status === 429 ? 'rate_limit_exceeded' : null } };
}

function encode(vector: number[], body: JsonObject): Json {
  return body['encoding_format'] === 'base64'
    ? Buffer.from(Float32Array.from(vector).buffer).toString('base64')
    : vector;
}

function usage(said: Composition): JsonObject {
  const completion = said.textTokens + said.reasoningTokens;
  return {
    prompt_tokens: said.promptTokens,
    completion_tokens: completion,
    total_tokens: said.promptTokens + completion,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: said.reasoningTokens },
  };
}

function toolCall(call: Composition['toolCalls'][number]): JsonObject {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } };
}
