/** The simulator's answers in Anthropic's wire: text and tools, in one piece or streamed. */
import type { JsonObject } from '../core/json.ts';
import { pieces, type Composition } from './compose.ts';

export function anthropicAnswer(model: string, said: Composition): JsonObject {
  return {
    id: `msg_${said.id}`,
    type: 'message',
    role: 'assistant',
    model,
    content: blocks(said),
    stop_reason: stopReason(said),
    stop_sequence: null,
    usage: { input_tokens: said.promptTokens, output_tokens: said.textTokens },
  };
}

/** The events of the stream, `[event name, data]` each. */
export function anthropicStream(model: string, said: Composition): [string, JsonObject][] {
  const message = { ...anthropicAnswer(model, said), content: [], stop_reason: null };
  return [
    [
      'message_start',
      { type: 'message_start', message: { ...message, usage: { input_tokens: said.promptTokens, output_tokens: 1 } } },
    ],
    ['ping', { type: 'ping' }],
    ...blocks(said).flatMap((block, index) => streamBlock(said, block, index)),
    [
      'message_delta',
      {
        type: 'message_delta',
        delta: { stop_reason: stopReason(said), stop_sequence: null },
        usage: { output_tokens: said.textTokens },
      },
    ],
    ['message_stop', { type: 'message_stop' }],
  ];
}

export function anthropicError(status: number, message: string): JsonObject {
  const type =
    status === 429
      ? 'rate_limit_error'
      : status === 529
        ? 'overloaded_error'
        : status >= 500
          ? 'api_error'
          : 'invalid_request_error';
  return { type: 'error', error: { type, message }, request_id: 'req_simulated' };
}

function blocks(said: Composition): JsonObject[] {
  if (said.toolCalls.length === 0) return [{ type: 'text', text: said.text }];
  return said.toolCalls.map(({ id, name, arguments: json }) => ({
    type: 'tool_use',
    id: id.replace('call_', 'toolu_'),
    name,
    input: JSON.parse(json) as JsonObject,
  }));
}

function streamBlock(said: Composition, block: JsonObject, index: number): [string, JsonObject][] {
  const isText = block['type'] === 'text';
  const start = isText ? { type: 'text', text: '' } : { ...block, input: {} };
  const parts = isText ? pieces(said.text) : (JSON.stringify(block['input']).match(/.{1,8}/gs) ?? []);
  return [
    ['content_block_start', { type: 'content_block_start', index, content_block: start }],
    ...parts.map((part): [string, JsonObject] => [
      'content_block_delta',
      {
        type: 'content_block_delta',
        index,
        delta: isText ? { type: 'text_delta', text: part } : { type: 'input_json_delta', partial_json: part },
      },
    ]),
    ['content_block_stop', { type: 'content_block_stop', index }],
  ];
}

function stopReason(said: Composition): string {
  return said.toolCalls.length > 0 ? 'tool_use' : 'end_turn';
}
