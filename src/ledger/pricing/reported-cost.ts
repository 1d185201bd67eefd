import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import { nanoUsdFromUsd } from '../../core/money.ts';
import type { NanoUsd } from '../../core/money.ts';
import { MAX_CHARGE_NANO_USD } from './rates.ts';

/**
 * The cost in USD that the provider itself reports in its usage object; null when it reports none that can be read.
 * Sources: OpenRouter `usage.cost`, which with a key of one's own (`is_byok`) is only its fee, beside what the provider bills;
 * Perplexity `usage.cost.total_cost`.
 */
export function reportedCostNanoUsd(rawUsage: JsonObject | null): NanoUsd | null {
  const cost = rawUsage?.['cost'];
  const reported = readUsd(isJsonObject(cost) ? cost['total_cost'] : cost);
  if (reported === null || rawUsage?.['is_byok'] !== true) return reported;
  const details = rawUsage['cost_details'];
  const upstream = readUsd(isJsonObject(details) ? details['upstream_inference_cost'] : undefined);
  return upstream === null || reported + upstream > MAX_CHARGE_NANO_USD ? null : reported + upstream;
}

function readUsd(value: Json | undefined): NanoUsd | null {
  if (typeof value !== 'number' || !(value >= 0) || !Number.isFinite(value)) return null;
  try {
    const cost = nanoUsdFromUsd(value);
    return cost > MAX_CHARGE_NANO_USD ? null : cost;
  } catch (error) {
    // More digits or a larger amount than money can be: then the computed price stands.
    if (error instanceof RangeError) return null;
    throw error;
  }
}
