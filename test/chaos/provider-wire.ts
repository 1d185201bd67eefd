/** The wires of the mock provider: written on their own, not with our codecs, so that they can contradict them. */
import type { ServerResponse } from 'node:http';
import type { Answer } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';

/** A stream's text, event by event. `mark` is what says that it is whole. */
export interface StreamText {
  head: string;
  text(delta: string): string;
  tail: string;
  mark: string;
}

export interface Wire {
  /** The answer in one piece. */
  whole(entry: ProviderRequest, said: Answer): object;
  stream(entry: ProviderRequest, said: Answer): StreamText;
}

const MODEL = 'chaos-1';

export const openAiWire: Wire = {
  whole: (entry, said) => ({
    ...openAiHead(entry, 'chat.completion'),
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: said.text, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: openAiUsage(said),
  }),
  stream(entry, said) {
    const event = (chunk: object) =>
      `data: ${JSON.stringify({ ...openAiHead(entry, 'chat.completion.chunk'), ...chunk })}\n\n`;
    const choice = (delta: object, finish: string | null = null) =>
      event({ choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
    return {
      head: choice({ role: 'assistant', content: '' }),
      text: (content) => choice({ content }),
      tail: choice({}, 'stop') + event({ choices: [], usage: openAiUsage(said) }),
      mark: 'data: [DONE]\n\n',
    };
  },
};

export const anthropicWire: Wire = {
  whole: (entry, said) => ({
    ...anthropicHead(entry),
    content: [{ type: 'text', text: said.text }],
    stop_reason: 'end_turn',
    usage: { input_tokens: said.inputTokens, output_tokens: said.outputTokens },
  }),
  stream(entry, said) {
    const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
    const usage = { input_tokens: said.inputTokens, output_tokens: 0 };
    return {
      head:
        event('message_start', { message: { ...anthropicHead(entry), content: [], stop_reason: null, usage } }) +
        event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      text: (text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }),
      tail:
        event('content_block_stop', { index: 0 }) +
        event('message_delta', {
          delta: { stop_reason: 'end_turn', stop_sequence: null },
          usage: { output_tokens: said.outputTokens },
        }),
      mark: event('message_stop', {}),
    };
  },
};

export type JobStatus = 'queued' | 'in_progress' | 'completed' | 'cancelled';

/** A response object of a job; `words` of it have been made. */
export function responseOf(id: string, status: JobStatus, said: Answer, words: number): object {
  const isMade = status === 'completed' || status === 'cancelled';
  const text = said.words.slice(0, words).join(' ');
  const content = [{ type: 'output_text', text, annotations: [] }];
  return {
    id,
    object: 'response',
    created_at: 1_700_000_000,
    status,
    background: true,
    model: MODEL,
    output: isMade ? [{ type: 'message', id: 'msg', status: 'completed', role: 'assistant', content }] : [],
    usage: isMade
      ? { input_tokens: said.inputTokens, output_tokens: words, total_tokens: said.inputTokens + words }
      : null,
  };
}

/** An event of a job's stream: its beginning, its words one by one, its end, under their places. */
export function responseEvent(id: string, said: Answer, place: number): string {
  const last = said.words.length;
  const word = said.words[place - 1] ?? '';
  const inPart = { item_id: 'msg', output_index: 0, content_index: 0, logprobs: [] };
  const event =
    place === 0
      ? { type: 'response.created', response: responseOf(id, 'queued', said, 0) }
      : place > last
        ? { type: 'response.completed', response: responseOf(id, 'completed', said, last) }
        : { type: 'response.output_text.delta', ...inPart, delta: place === 1 ? word : ` ${word}` };
  return `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: place })}\n\n`;
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function openAiHead({ nonce, nth }: ProviderRequest, object: string) {
  return { id: `chatcmpl-${nonce}.${String(nth)}`, object, created: 1_700_000_000, model: MODEL };
}

function anthropicHead({ nonce, nth }: ProviderRequest) {
  const id = `msg_${nonce}.${String(nth)}`;
  return { id, type: 'message', role: 'assistant', model: MODEL, stop_sequence: null };
}

function openAiUsage({ inputTokens, outputTokens }: Answer) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}
