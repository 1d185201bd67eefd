/** What an attempt cost: from the provider's counts, or where it gave none, from our own count of what is there. */
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import type { AttemptCharge } from '../core/ports/ledger/attempts.ts';
import type { PriceBook } from '../core/ports/price-book.ts';
import type { CallRequest, ProviderAnswer } from '../core/ports/provider.ts';
import type { ProviderSettings } from '../core/settings.ts';
import { NO_USAGE, type Usage } from '../core/usage.ts';
import { chargeFor } from '../ledger/pricing/charge.ts';
import { countTextTokens, estimateInputTokens } from '../providers/estimate-tokens.ts';
import { hasOpenPrice } from '../providers/open-price.ts';
import { toCanonical } from '../providers/to-canonical.ts';

const NO_TEXT = new Set(['role', 'id', 'type']);

export function chargeAttempt(
  prices: PriceBook,
  provider: ProviderSettings,
  model: string,
  request: CallRequest,
  answer: ProviderAnswer,
): AttemptCharge {
  return chargeFor(prices, {
    provider,
    model,
    usage: answer.usage ?? estimateUsage(toCanonical(request).request, answer),
    // Fees of searches, and other prices for the same tokens, stand in no count.
    isEstimate: answer.usage === null || (hasOpenPrice(request) && request.wire === answer.wire),
    rawUsage: answer.rawUsage,
    serviceTier: answer.serviceTier,
  });
}

function estimateUsage(canonical: JsonObject, answer: ProviderAnswer): Usage {
  return {
    ...NO_USAGE,
    inputTokens: estimateInputTokens(canonical),
    outputTokens: countTextTokens(visibleTexts(answer).join('')),
    reasoningTokens: countTextTokens(answer.chat?.reasoning ?? ''),
  };
}

/** What the model wrote, over all choices: only the first of them is in the canonical answer. */
function visibleTexts({ body, chat }: ProviderAnswer): string[] {
  if (!chat) return [];
  const others = Array.isArray(body['choices']) ? body['choices'].slice(1) : [];
  return [
    chat.text ?? '',
    chat.refusal ?? '',
    ...chat.toolCalls.map((call) => call.name + call.arguments),
    ...others.flatMap((choice) => (isJsonObject(choice) ? textsOf(choice['message']) : [])),
  ];
}

/** Every text in a message of OpenAI's wire but its role and the ids and kinds of its calls. */
function textsOf(value: Json | undefined): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, field]) => (NO_TEXT.has(key) ? [] : textsOf(field)));
}
