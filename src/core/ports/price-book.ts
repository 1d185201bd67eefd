/** What calls cost. Exact integers; null where no price is known, never a guess. */
import type { NanoUsd } from '../money.ts';
import type { Usage } from '../usage.ts';

/** The provider as configured: its prices are found by kind, address and, for overrides, by name. */
export interface PricedProvider {
  name: string;
  kind: string;
  baseUrl: string;
}

export interface PriceQuery {
  provider: PricedProvider;
  model: string;
  usage: Usage;
  /** Those of the cache-write tokens that are kept for an hour, where the provider bills them apart. Default 0. */
  longCacheWriteTokens?: number;
  /** The service tier that the response names, if any. */
  serviceTier?: string | null;
}

export interface Price {
  costNanoUsd: NanoUsd;
  /** Version of the price list, such as `genai-prices@0.1.8`. */
  catalogue: string;
  /** False when a surcharge is known only roughly. */
  isExact: boolean;
}

export interface WorstCaseQuery {
  provider: PricedProvider;
  model: string;
  /** All prompt tokens, at most. */
  inputTokens: number;
  /** All output tokens, at most; null when nothing bounds them. */
  maxOutputTokens: number | null;
  /** The service tier that the request asks for, if any. A dearer one raises the amount; a cheaper one may not be granted. */
  serviceTier?: string | null;
}

export interface PriceBook {
  price(query: PriceQuery): Price | null;
  /** An amount that the call cannot exceed; null when there is no price or no bound. */
  worstCaseNanoUsd(query: WorstCaseQuery): NanoUsd | null;
}
