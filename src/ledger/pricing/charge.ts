/** The charge of one attempt, from what the provider counted or from an estimate of it. */
import { isJsonObject } from '../../core/json.ts';
import type { JsonObject } from '../../core/json.ts';
import type { AttemptCharge } from '../../core/ports/ledger/attempts.ts';
import type { PriceBook, PricedProvider } from '../../core/ports/price-book.ts';
import { tokenCount } from '../../core/usage.ts';
import type { Usage } from '../../core/usage.ts';
import { MAX_COUNTED_TOKENS } from './rates.ts';
import { reportedCostNanoUsd } from './reported-cost.ts';

const REPORTED_CATALOGUE = 'provider-reported';

export interface ChargeInput {
  provider: PricedProvider;
  /** The candidate's model. */
  model: string;
  /** Null when nothing is known, not even an estimate. */
  usage: Usage | null;
  /** The counts are ours (a stream broke off, or the provider did not count), or do not tell all that is billed. */
  isEstimate: boolean;
  rawUsage: JsonObject | null;
  serviceTier: string | null;
}

/** A cost that the provider reports wins over a computed one; the computed one stays beside it. */
export function chargeFor(book: PriceBook, input: ChargeInput): AttemptCharge {
  const { provider, model, usage, isEstimate, rawUsage, serviceTier } = input;
  const reported = reportedCostNanoUsd(rawUsage);
  const longCacheWriteTokens = longCacheWrites(rawUsage);
  const price = usage && book.price({ provider, model, usage, serviceTier, longCacheWriteTokens });
  const computedNanoUsd = price?.costNanoUsd ?? null;
  const common = { usage: usage && withinBounds(usage), rawUsage, serviceTier, computedNanoUsd };
  if (reported !== null) {
    return { ...common, costNanoUsd: reported, pricing: 'priced', catalogue: REPORTED_CATALOGUE };
  }
  if (!price) return { ...common, costNanoUsd: null, pricing: 'unpriced', catalogue: null };
  const pricing = isEstimate || !price.isExact ? 'estimated' : 'priced';
  return { ...common, costNanoUsd: price.costNanoUsd, pricing, catalogue: price.catalogue };
}

/** Counters that a ledger can add up. Beyond that they have no price, and are kept only as the sign of a broken count. */
function withinBounds(usage: Usage): Usage {
  const bounded = Object.entries(usage).map(([name, count]: [string, number]) => [
    name,
    Math.min(count, MAX_COUNTED_TOKENS),
  ]);
  return Object.fromEntries(bounded) as Usage;
}

/** Source: Anthropic `usage.cache_creation.ephemeral_1h_input_tokens`. */
function longCacheWrites(rawUsage: JsonObject | null): number {
  const creation = rawUsage?.['cache_creation'];
  return isJsonObject(creation) ? tokenCount(creation['ephemeral_1h_input_tokens']) : 0;
}
