import { nanoUsdFromUsd } from '../../core/money.ts';
import { flatRate } from './rates.ts';
import type { Rates } from './rates.ts';

/** Names made-up prices as such wherever a charge is shown. */
export const SIMULATED_CATALOGUE = 'simulated-prices@1';

/** One made-up price for every simulated model, so that a demo without provider keys shows costs. */
export const SIMULATED_RATES: Rates = {
  input: flatRate(nanoUsdFromUsd('1')),
  cacheRead: flatRate(nanoUsdFromUsd('0.1')),
  output: flatRate(nanoUsdFromUsd('4')),
};
