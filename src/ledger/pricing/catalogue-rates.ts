/**
 * Rates from the offline catalogue of `@pydantic/genai-prices`. Only its rates are used: its own totals are floats. Its
 * decimal rates are read through their shortest text, so no rounding enters.
 */
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import type { ModelPrice } from '@pydantic/genai-prices';
import { nanoUsdFromUsd } from '../../core/money.ts';
import type { PricedProvider } from '../../core/ports/price-book.ts';
import type { Rates, TieredRate } from './rates.ts';

/** Pinned with each charge; a test compares it with the installed package. */
export const CATALOGUE_VERSION = 'genai-prices@0.1.8';

/** The catalogue's fee per thousand requests, as a rate per million. */
const THOUSANDS_PER_MILLION = 1000n;

const catalogueIds: Readonly<Record<string, string>> = { openai: 'openai', anthropic: 'anthropic', gemini: 'google' };

/** The rates of a model as of a moment (some change with the date or the hour); null when the catalogue lacks it. */
export function catalogueRates(provider: PricedProvider, model: string, now: Date): Rates | null {
  const providerId = catalogueIds[provider.kind] ?? findProvider({ providerApiUrl: provider.baseUrl })?.id;
  if (providerId === undefined) return null;
  const found = calcPrice({}, model, { providerId, timestamp: now });
  return found && ratesOf(found.model_price);
}

/** Null for models that are not billed by prompt tokens, such as transcription by the hour. */
function ratesOf(price: ModelPrice): Rates | null {
  const input = tieredRate(price['input_mtok']);
  if (!input) return null;
  const request = tieredRate(price['requests_kcount']);
  return {
    input,
    output: tieredRate(price['output_mtok']),
    ...optional('cacheRead', price['cache_read_mtok']),
    ...optional('cacheWrite', price['cache_write_mtok']),
    ...optional('longCacheWrite', price['cache_write_1h_mtok']),
    ...optional('reasoning', price['output_reasoning_mtok']),
    ...optional('inputAudio', price['input_audio_mtok']),
    ...optional('outputAudio', price['output_audio_mtok']),
    ...(request && { request: { base: request.base * THOUSANDS_PER_MILLION, tiers: [] } }),
  };
}

function optional(name: keyof Rates, price: ModelPrice[string]): Partial<Rates> {
  const rate = tieredRate(price);
  return rate ? { [name]: rate } : {};
}

function tieredRate(price: ModelPrice[string]): TieredRate | null {
  if (price === undefined) return null;
  if (typeof price === 'number') return { base: nanoUsdFromUsd(price), tiers: [] };
  const tiers = price.tiers.map(({ start, price: rate }) => ({ above: start, rate: nanoUsdFromUsd(rate) }));
  return { base: nanoUsdFromUsd(price.base), tiers: tiers.sort((a, b) => a.above - b.above) };
}
