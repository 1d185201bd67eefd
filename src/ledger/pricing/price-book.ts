/** The price of a call: the operator's overrides first, then made-up prices for simulated models, then the catalogue. */
import type { PriceBook, PricedProvider } from '../../core/ports/price-book.ts';
import { CATALOGUE_VERSION, catalogueRates } from './catalogue-rates.ts';
import { NO_OVERRIDES } from './price-overrides.ts';
import type { PriceOverrides } from './price-overrides.ts';
import { costOf, scaleRates, worstCaseOf } from './rates.ts';
import type { Rates } from './rates.ts';
import { tierAdjustment } from './service-tier.ts';
import { SIMULATED_CATALOGUE, SIMULATED_RATES } from './simulated-rates.ts';

export interface PriceBookOptions {
  overrides?: PriceOverrides;
  /** Unix milliseconds; default `Date.now`. Some prices depend on the date or the hour. */
  clock?: () => number;
}

const SIMULATED_KIND = 'simulated';

export function createPriceBook({ overrides = NO_OVERRIDES, clock = Date.now }: PriceBookOptions = {}): PriceBook {
  const lookUp = (provider: PricedProvider, model: string): { rates: Rates; catalogue: string } | null => {
    const override = overrides.find(provider.name, model);
    if (override) return { rates: override, catalogue: overrides.version };
    if (provider.kind === SIMULATED_KIND) return { rates: SIMULATED_RATES, catalogue: SIMULATED_CATALOGUE };
    const rates = catalogueRates(provider, model, new Date(clock()));
    return rates && { rates, catalogue: CATALOGUE_VERSION };
  };

  return {
    price({ provider, model, usage, longCacheWriteTokens, serviceTier }) {
      const found = lookUp(provider, model);
      if (!found) return null;
      const { percent, isExact } = tierAdjustment(provider.kind, serviceTier);
      const rates = percent === 100 ? found.rates : scaleRates(found.rates, percent);
      const costNanoUsd = costOf(rates, usage, longCacheWriteTokens);
      return costNanoUsd === null ? null : { costNanoUsd, catalogue: found.catalogue, isExact };
    },
    worstCaseNanoUsd({ provider, model, inputTokens, maxOutputTokens, serviceTier }) {
      const found = lookUp(provider, model);
      if (!found || maxOutputTokens === null) return null;
      const { percent } = tierAdjustment(provider.kind, serviceTier);
      const rates = percent > 100 ? scaleRates(found.rates, percent) : found.rates;
      return worstCaseOf(rates, inputTokens, maxOutputTokens);
    },
  };
}
