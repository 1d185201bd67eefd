/** Anthropic's messages, kept whole, with the canonical reading beside them. */
import type { ChatAnswer, ToolCall } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ProviderAnswer } from '../../core/ports/provider.ts';
import { brokenAnswer } from '../broken-answer.ts';
import { objectAt, objectsAt, parseJsonObject, stringAt } from '../read-json.ts';
import { ownedSignature } from '../reasoning-signature.ts';
import { anthropicErrorEvent } from './map-failure.ts';
import { readStopReason } from './stop-reason.ts';
import { readAnthropicUsage } from './usage.ts';

export function decodeAnthropicAnswer(bodyText: string, createdSeconds: number): ProviderAnswer {
  const body = parseJsonObject(bodyText);
  if (body === undefined) throw brokenAnswer('The provider answered 200 with a body that is not a JSON object.');
  if (body.type === 'error') throw anthropicErrorEvent(body);
  if (!Array.isArray(body.content)) throw brokenAnswer('The provider answered 200 without `content`.');
  return readMessage(body, createdSeconds);
}

/**
 * A whole message, from the wire or assembled from a stream.
 *
 * @param rawArguments tool arguments as they were streamed, by block index, where they are not what `input` would print
 */
export function readMessage(
  body: JsonObject,
  createdSeconds: number,
  rawArguments: ReadonlyMap<number, string> = new Map(),
): ProviderAnswer {
  const usage = objectAt(body, 'usage');
  const rawFinishReason = stringAt(body, 'stop_reason') ?? null;
  const blocks = objectsAt(body, 'content');
  const thinking = blocks.filter((block) => block.type === 'thinking');
  const chat: ChatAnswer = {
    id: stringAt(body, 'id') ?? '',
    model: stringAt(body, 'model') ?? '',
    created: createdSeconds,
    text: joinText(
      blocks.filter((block) => block.type === 'text'),
      'text',
    ),
    refusal: stringAt(objectAt(body, 'stop_details'), 'explanation') ?? null,
    reasoning: joinText(thinking, 'thinking'),
    reasoningSignature: readSignature(blocks),
    toolCalls: blocks.flatMap((block, index) => readToolUse(block, rawArguments.get(index))),
    finishReason: readStopReason(rawFinishReason),
    rawFinishReason,
    usage: usage === undefined ? null : readAnthropicUsage(usage),
    serviceTier: stringAt(usage, 'service_tier') ?? null,
  };
  return {
    wire: 'anthropic-messages',
    body,
    chat,
    usage: chat.usage,
    rawUsage: usage ?? null,
    responseId: stringAt(body, 'id') ?? null,
    model: stringAt(body, 'model') ?? null,
    serviceTier: chat.serviceTier,
  };
}

/**
 * The proof of the thinking, where it can be told in one piece: several thinking blocks have a signature each, and their
 * joined text would fit none of them.
 */
export function readSignature(blocks: readonly JsonObject[]): string | null {
  const signatures = blocks
    .filter((block) => block.type === 'thinking')
    .map((block) => ownedSignature('anthropic', stringAt(block, 'signature')))
    .filter((signature) => signature !== null);
  return signatures.length === 1 ? (signatures[0] ?? null) : null;
}

function joinText(blocks: readonly JsonObject[], field: string): string | null {
  return blocks.length === 0 ? null : blocks.map((block) => stringAt(block, field) ?? '').join('');
}

function readToolUse(block: JsonObject, raw: string | undefined): ToolCall[] {
  if (block.type !== 'tool_use') return [];
  return [
    {
      id: stringAt(block, 'id') ?? '',
      name: stringAt(block, 'name') ?? '',
      arguments: raw ?? JSON.stringify(block.input ?? {}),
    },
  ];
}
