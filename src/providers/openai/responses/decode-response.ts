/** A response object of OpenAI's Responses API: whether it is ready, and its canonical reading. */
import type { ChatAnswer, FinishReason, ToolCall } from '../../../core/chat.ts';
import type { JsonObject } from '../../../core/json.ts';
import { tokenCount, type Usage } from '../../../core/usage.ts';
import type { KeptAnswer, ProviderAnswer, ProviderFailure } from '../../../core/ports/provider.ts';
import { brokenAnswer } from '../../broken-answer.ts';
import { nameOf, numberAt, objectAt, objectsAt, stringAt } from '../../read-json.ts';
import { openAiErrorEvent } from '../map-failure.ts';

export function readResponse(body: JsonObject): KeptAnswer {
  const responseId = stringAt(body, 'id');
  if (!responseId) throw brokenAnswer('The provider answered 200 with a response that has no id.');
  switch (body.status) {
    case 'queued':
    case 'in_progress':
      return { state: 'pending', responseId };
    case 'completed':
    case 'incomplete':
      return { state: 'answered', responseId, answer: readAnswer(body, responseId) };
    case 'failed':
    case 'cancelled': {
      const answer = readAnswer(body, responseId);
      return { state: 'failed', responseId, failure: failureOf(body), partial: answer.usage === null ? null : answer };
    }
    default:
      throw brokenAnswer(`The provider answered 200 with a response of the unknown status ${nameOf(body.status)}.`);
  }
}

function failureOf(body: JsonObject): ProviderFailure {
  const error = objectAt(body, 'error');
  if (error !== undefined) return openAiErrorEvent(error).failure;
  // Some of it was made by then. Without a count nobody can say what it cost.
  const code = objectAt(body, 'usage') === undefined ? 'outcome_unknown' : 'provider_unavailable';
  const message = `The provider ended the response as ${nameOf(body.status)}.`;
  return { code, message, retryable: false, failOver: true };
}

function readAnswer(body: JsonObject, responseId: string): ProviderAnswer {
  const chat = readChat(body, responseId);
  return {
    wire: 'openai-responses',
    body,
    chat,
    usage: chat.usage,
    rawUsage: objectAt(body, 'usage') ?? null,
    responseId,
    model: stringAt(body, 'model') ?? null,
    serviceTier: chat.serviceTier,
  };
}

function readChat(body: JsonObject, id: string): ChatAnswer {
  const output = objectsAt(body, 'output');
  const content = output.flatMap((item) => (item.type === 'message' ? objectsAt(item, 'content') : []));
  const toolCalls = output.flatMap((item): ToolCall[] =>
    item.type === 'function_call'
      ? [
          {
            id: stringAt(item, 'call_id') ?? stringAt(item, 'id') ?? '',
            name: stringAt(item, 'name') ?? '',
            arguments: stringAt(item, 'arguments') ?? '',
          },
        ]
      : [],
  );
  const summaries = output.flatMap((item) => (item.type === 'reasoning' ? objectsAt(item, 'summary') : []));
  const reason = stringAt(objectAt(body, 'incomplete_details'), 'reason') ?? null;
  const usage = objectAt(body, 'usage');
  return {
    id,
    model: stringAt(body, 'model') ?? '',
    created: Math.trunc(numberAt(body, 'created_at') ?? 0),
    text: joined(content, 'output_text', 'text'),
    refusal: joined(content, 'refusal', 'refusal'),
    reasoning: joined(summaries, 'summary_text', 'text'),
    reasoningSignature: null,
    toolCalls,
    finishReason: finishReason(reason, toolCalls),
    rawFinishReason: reason ?? stringAt(body, 'status') ?? null,
    usage: usage === undefined ? null : readResponseUsage(usage),
    serviceTier: stringAt(body, 'service_tier') ?? null,
  };
}

function joined(parts: readonly JsonObject[], type: string, field: string): string | null {
  const texts = parts.flatMap((part) => (part.type === type ? [stringAt(part, field) ?? ''] : []));
  return texts.length === 0 ? null : texts.join('');
}

function finishReason(incomplete: string | null, toolCalls: readonly ToolCall[]): FinishReason {
  if (incomplete === 'max_output_tokens') return 'length';
  if (incomplete === 'content_filter') return 'content_filter';
  return toolCalls.length > 0 ? 'tool_calls' : 'stop';
}

/** Input counts include the cached, output counts the reasoning, as on OpenAI's other wire. */
function readResponseUsage(raw: JsonObject): Usage {
  const cacheReadTokens = tokenCount(objectAt(raw, 'input_tokens_details')?.cached_tokens);
  const cacheWriteTokens = tokenCount(objectAt(raw, 'input_tokens_details')?.cache_write_tokens);
  const reasoningTokens = tokenCount(objectAt(raw, 'output_tokens_details')?.reasoning_tokens);
  return {
    inputTokens: Math.max(0, tokenCount(raw.input_tokens) - cacheReadTokens - cacheWriteTokens),
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens: Math.max(0, tokenCount(raw.output_tokens) - reasoningTokens),
    reasoningTokens,
    inputAudioTokens: 0,
    outputAudioTokens: 0,
  };
}
