/** OpenAI's answers, kept whole, with the canonical reading of the first choice beside them. */
import type { ChatAnswer } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import type { CallRequest, ProviderAnswer } from '../../core/ports/provider.ts';
import { brokenAnswer } from '../broken-answer.ts';
import { numberAt, objectAt, objectsAt, parseJsonObject, stringAt } from '../read-json.ts';
import { readFinishReason } from './finish-reason.ts';
import { holdsError, openAiErrorEvent } from './map-failure.ts';
import { readReasoning, readText, readToolCalls } from './read-message.ts';
import { readOpenAiUsage } from './usage.ts';

export function decodeOpenAiAnswer(request: CallRequest, bodyText: string): ProviderAnswer {
  const body = parseJsonObject(bodyText);
  if (body === undefined) throw brokenAnswer('The provider answered 200 with a body that is not a JSON object.');
  if (holdsError(body)) throw openAiErrorEvent(body.error ?? null);
  if (request.wire === 'openai-embeddings') return readEmbeddings(body);
  if (!Array.isArray(body.choices) || objectsAt(body, 'choices').length === 0) {
    throw brokenAnswer('The provider answered 200 without `choices`.');
  }
  return readCompletion(body);
}

/** A whole `chat.completion` body, from the wire or assembled from a stream. */
export function readCompletion(body: JsonObject): ProviderAnswer {
  const chat = readChat(body);
  return {
    wire: 'openai-chat',
    body,
    chat,
    usage: chat.usage,
    rawUsage: objectAt(body, 'usage') ?? null,
    responseId: stringAt(body, 'id') ?? null,
    model: stringAt(body, 'model') ?? null,
    serviceTier: chat.serviceTier,
  };
}

function readChat(body: JsonObject): ChatAnswer {
  const choices = objectsAt(body, 'choices');
  const choice = choices.find((candidate) => candidate.index === 0) ?? choices[0] ?? {};
  const message = objectAt(choice, 'message') ?? {};
  const id = stringAt(body, 'id') ?? '';
  const toolCalls = readToolCalls(message, id);
  const rawFinishReason = stringAt(choice, 'finish_reason') ?? null;
  const usage = objectAt(body, 'usage');
  return {
    id,
    model: stringAt(body, 'model') ?? '',
    created: numberAt(body, 'created') ?? 0,
    text: readText(message.content),
    refusal: stringAt(message, 'refusal') ?? null,
    reasoning: readReasoning(message),
    reasoningSignature: stringAt(message, 'reasoning_signature') ?? null,
    toolCalls,
    finishReason: readFinishReason(rawFinishReason, toolCalls.length > 0),
    rawFinishReason,
    usage: usage === undefined ? null : readOpenAiUsage(usage),
    serviceTier: stringAt(body, 'service_tier') ?? null,
  };
}

function readEmbeddings(body: JsonObject): ProviderAnswer {
  if (!Array.isArray(body.data)) throw brokenAnswer('The provider answered 200 without `data`.');
  const usage = objectAt(body, 'usage');
  return {
    wire: 'openai-embeddings',
    body,
    chat: null,
    usage: usage === undefined ? null : readOpenAiUsage(usage),
    rawUsage: usage ?? null,
    responseId: stringAt(body, 'id') ?? null,
    model: stringAt(body, 'model') ?? null,
    serviceTier: null,
  };
}
