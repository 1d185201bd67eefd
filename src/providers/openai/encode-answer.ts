/** A canonical answer as a `chat.completion` body. */
import type { ChatAnswer } from '../../core/chat.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ProviderAnswer } from '../../core/ports/provider.ts';
import { writeCallSignature } from './read-message.ts';
import { writeOpenAiUsage } from './usage.ts';

export const COMPLETION_ID_PREFIX = 'chatcmpl-';

export function encodeOpenAiAnswer(answer: ProviderAnswer): JsonObject {
  if (answer.wire === 'openai-chat') return answer.body;
  if (answer.chat === null) {
    throw new HoldfastError('invalid_request', `An answer of kind ${answer.wire} is not a chat completion.`);
  }
  return writeCompletion(answer.chat);
}

export function writeCompletion(chat: ChatAnswer): JsonObject {
  return {
    id: completionId(chat.id),
    object: 'chat.completion',
    created: chat.created,
    model: chat.model,
    choices: [{ index: 0, message: writeMessage(chat), logprobs: null, finish_reason: chat.finishReason }],
    ...(chat.usage !== null && { usage: writeOpenAiUsage(chat.usage) }),
    ...(chat.serviceTier !== null && { service_tier: chat.serviceTier }),
  };
}

/** The answer as the assistant message that a next turn sends back. */
export function writeMessage(chat: ChatAnswer): JsonObject {
  const calls = chat.toolCalls.map(({ id, name, arguments: text, signature }) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
    ...writeCallSignature(signature),
  }));
  return {
    role: 'assistant',
    content: chat.text,
    refusal: chat.refusal,
    ...(chat.reasoning !== null && { reasoning_content: chat.reasoning }),
    ...(chat.reasoningSignature !== null && { reasoning_signature: chat.reasoningSignature }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** Clients tell completions by this prefix. */
export function completionId(id: string): string {
  return id.startsWith(COMPLETION_ID_PREFIX) ? id : COMPLETION_ID_PREFIX + id;
}
