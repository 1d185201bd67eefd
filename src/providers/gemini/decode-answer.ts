/** Gemini's answers, kept whole, with the canonical reading of the first candidate beside them. */
import type { ChatAnswer, ToolCall } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ProviderAnswer } from '../../core/ports/provider.ts';
import { brokenAnswer } from '../broken-answer.ts';
import { substituteCallId } from '../openai/read-message.ts';
import { objectAt, objectsAt, parseJsonObject, stringAt } from '../read-json.ts';
import { ownedSignature } from '../reasoning-signature.ts';
import { readGeminiFinishReason } from './finish-reason.ts';
import { blockedPrompt, geminiErrorEvent } from './map-failure.ts';
import { readGeminiUsage } from './usage.ts';

export function decodeGeminiAnswer(bodyText: string, createdSeconds: number): ProviderAnswer {
  const body = parseJsonObject(bodyText);
  if (body === undefined) throw brokenAnswer('The provider answered 200 with a body that is not a JSON object.');
  refuseWithoutCandidate(body);
  if (objectsAt(body, 'candidates').length === 0) throw brokenAnswer('The provider answered 200 without `candidates`.');
  return readResponse(body, createdSeconds);
}

/** @throws ProviderFailureError when the body reports an error or a blocked prompt */
export function refuseWithoutCandidate(body: JsonObject): void {
  const error = objectAt(body, 'error');
  if (error !== undefined) throw geminiErrorEvent(error);
  const feedback = objectAt(body, 'promptFeedback');
  if (feedback?.blockReason !== undefined && objectsAt(body, 'candidates').length === 0) throw blockedPrompt(feedback);
}

/** A whole response, from the wire or assembled from a stream. */
export function readResponse(body: JsonObject, createdSeconds: number): ProviderAnswer {
  const candidate = objectsAt(body, 'candidates')[0];
  const parts = objectsAt(objectAt(candidate, 'content'), 'parts');
  const id = stringAt(body, 'responseId') ?? '';
  const toolCalls = parts
    .filter((part) => objectAt(part, 'functionCall'))
    .map((part, index) => readCall(part, id, index));
  const rawFinishReason = stringAt(candidate, 'finishReason') ?? null;
  const usage = objectAt(body, 'usageMetadata');
  const signed = parts.findLast((part) => part.functionCall === undefined && part.thoughtSignature !== undefined);
  const chat: ChatAnswer = {
    id,
    model: stringAt(body, 'modelVersion') ?? '',
    created: createdSeconds,
    text: joinText(parts.filter((part) => part.thought !== true)),
    refusal: null,
    reasoning: joinText(parts.filter((part) => part.thought === true)),
    reasoningSignature: ownedSignature('gemini', stringAt(signed, 'thoughtSignature')),
    toolCalls,
    finishReason: readGeminiFinishReason(rawFinishReason, toolCalls.length > 0),
    rawFinishReason,
    usage: usage === undefined ? null : readGeminiUsage(usage),
    serviceTier: stringAt(usage, 'serviceTier') ?? null,
  };
  return {
    wire: 'gemini-generate',
    body,
    chat,
    usage: chat.usage,
    rawUsage: usage ?? null,
    responseId: stringAt(body, 'responseId') ?? null,
    model: stringAt(body, 'modelVersion') ?? null,
    serviceTier: chat.serviceTier,
  };
}

export function readCall(part: JsonObject, answerId: string, index: number): ToolCall {
  const call = objectAt(part, 'functionCall');
  const signature = stringAt(part, 'thoughtSignature');
  return {
    id: stringAt(call, 'id') || substituteCallId(answerId, index),
    name: stringAt(call, 'name') ?? '',
    arguments: JSON.stringify(objectAt(call, 'args') ?? {}),
    ...(signature !== undefined && { signature }),
  };
}

function joinText(parts: readonly JsonObject[]): string | null {
  const texts = parts.map((part) => stringAt(part, 'text')).filter((text) => text !== undefined);
  return texts.length === 0 ? null : texts.join('');
}
