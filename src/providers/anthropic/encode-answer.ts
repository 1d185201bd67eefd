/** A canonical answer as a message of Anthropic's API. */
import type { ChatAnswer } from '../../core/chat.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ProviderAnswer } from '../../core/ports/provider.ts';
import { NO_USAGE } from '../../core/usage.ts';
import { showSignature } from '../reasoning-signature.ts';
import { argumentsObject } from '../tool-arguments.ts';
import { writeStopReason } from './stop-reason.ts';
import { writeAnthropicUsage } from './usage.ts';

export const MESSAGE_ID_PREFIX = 'msg_';

export function encodeAnthropicAnswer(answer: ProviderAnswer): JsonObject {
  if (answer.wire === 'anthropic-messages') return answer.body;
  if (answer.chat === null) {
    throw new HoldfastError('invalid_request', `An answer of kind ${answer.wire} is not a message.`);
  }
  return writeMessage(answer.chat);
}

export function writeMessage(chat: ChatAnswer): JsonObject {
  return {
    ...messageHead(chat.id, chat.model),
    content: writeBlocks(chat),
    stop_reason: writeStopReason(chat.finishReason),
    usage: writeAnthropicUsage(chat.usage ?? NO_USAGE),
  };
}

/** What a message holds before any content: the body of `message_start` too. */
export function messageHead(id: string, model: string): JsonObject {
  return {
    id: id.startsWith(MESSAGE_ID_PREFIX) ? id : MESSAGE_ID_PREFIX + id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: writeAnthropicUsage(NO_USAGE),
  };
}

function writeBlocks(chat: ChatAnswer): JsonObject[] {
  const blocks: JsonObject[] = [];
  if (chat.reasoning !== null || chat.reasoningSignature !== null) {
    blocks.push({
      type: 'thinking',
      thinking: chat.reasoning ?? '',
      signature: showSignature('anthropic', chat.reasoningSignature),
    });
  }
  const text = (chat.text ?? '') + (chat.refusal ?? '');
  if (text !== '') blocks.push({ type: 'text', text, citations: null });
  for (const { id, name, arguments: json } of chat.toolCalls) {
    blocks.push({ type: 'tool_use', id, name, input: argumentsObject(json) });
  }
  return blocks;
}
