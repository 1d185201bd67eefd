/** What an attempt cost: from the provider's counts, or where it gave none, from our own count of what is there. */
import type { JsonObject } from '../core/json.ts';
import type { AttemptCharge } from '../core/ports/ledger/attempts.ts';
import type { PriceBook } from '../core/ports/price-book.ts';
import type { CallRequest, ProviderAnswer } from '../core/ports/provider.ts';
import type { ProviderSettings } from '../core/settings.ts';
import { NO_USAGE, type Usage } from '../core/usage.ts';
import { chargeFor } from '../ledger/pricing/charge.ts';
import { countTextTokens, estimateInputTokens } from '../providers/estimate-tokens.ts';
import { asksForProviderTools } from '../providers/provider-tools.ts';
import { toCanonical } from '../providers/to-canonical.ts';

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
    // Fees of searches and the like stand in no count.
    isEstimate: answer.usage === null || (asksForProviderTools(request) && request.wire === answer.wire),
    rawUsage: answer.rawUsage,
    serviceTier: answer.serviceTier,
  });
}

function estimateUsage(canonical: JsonObject, { chat }: ProviderAnswer): Usage {
  const calls = chat?.toolCalls.map((call) => call.name + call.arguments).join('') ?? '';
  return {
    ...NO_USAGE,
    inputTokens: estimateInputTokens(canonical),
    outputTokens: countTextTokens((chat?.text ?? '') + calls),
    reasoningTokens: countTextTokens(chat?.reasoning ?? ''),
  };
}
