/** Rates of one model and the arithmetic on them. */
import { sumRated } from '../../core/money.ts';
import type { NanoUsd, RatedQuantity } from '../../core/money.ts';
import { totalInputTokens } from '../../core/usage.ts';
import type { Usage } from '../../core/usage.ts';

/** Nano-USD per million units, by the size of the prompt. */
export interface TieredRate {
  base: NanoUsd;
  /** Above so many prompt tokens (cached ones count) all tokens are billed at this rate. Ascending. */
  tiers: readonly { above: number; rate: NanoUsd }[];
}

/** A missing rate falls back: cached, written and audio input to `input`; reasoning and audio output to `output`. */
export interface Rates {
  input: TieredRate;
  /** Null where the model gives nothing that is billed by the token, such as embeddings. */
  output: TieredRate | null;
  cacheRead?: TieredRate;
  cacheWrite?: TieredRate;
  /** Cache writes kept for an hour. */
  longCacheWrite?: TieredRate;
  reasoning?: TieredRate;
  inputAudio?: TieredRate;
  outputAudio?: TieredRate;
  /** Per million requests. */
  request?: TieredRate;
}

/** One million USD: no single attempt costs more, and sums of so much stay far within a ledger's 64 bits. */
export const MAX_CHARGE_NANO_USD: NanoUsd = 10n ** 15n;
/** Of one kind in one answer. More is no count. */
export const MAX_COUNTED_TOKENS = 10_000_000_000;

const FREE: TieredRate = { base: 0n, tiers: [] };

export function flatRate(rate: NanoUsd): TieredRate {
  return { base: rate, tiers: [] };
}

/** The exact cost; null when output was counted and the model has no output rate, and beyond all that a call can cost. */
export function costOf(rates: Rates, usage: Usage, longCacheWriteTokens = 0): NanoUsd | null {
  const prompt = totalInputTokens(usage);
  const longWrites = Math.min(longCacheWriteTokens, usage.cacheWriteTokens);
  const { input, output } = rates;
  const cacheWrite = rates.cacheWrite ?? input;
  const counted: [number, TieredRate | null][] = [
    [usage.inputTokens, input],
    [usage.cacheReadTokens, rates.cacheRead ?? input],
    [usage.cacheWriteTokens - longWrites, cacheWrite],
    [longWrites, rates.longCacheWrite ?? cacheWrite],
    [usage.inputAudioTokens, rates.inputAudio ?? input],
    [usage.outputTokens, output],
    [usage.reasoningTokens, rates.reasoning ?? output],
    [usage.outputAudioTokens, rates.outputAudio ?? output],
    [1, rates.request ?? FREE],
  ];
  const quantities: RatedQuantity[] = [];
  for (const [units, rate] of counted) {
    if (units === 0) continue;
    if (rate === null || units > MAX_COUNTED_TOKENS) return null;
    quantities.push({ units, nanoUsdPerMillion: rateAt(rate, prompt) });
  }
  const cost = sumRated(quantities);
  return cost > MAX_CHARGE_NANO_USD ? null : cost;
}

/**
 * The most that so many tokens can cost: whatever kind they turn out to be, in whichever tier the prompt ends up. Never
 * above the largest charge there is.
 */
export function worstCaseOf(rates: Rates, inputTokens: number, outputTokens: number): NanoUsd | null {
  const dearest = (candidates: readonly (TieredRate | null | undefined)[]): NanoUsd =>
    candidates.reduce((most, rate) => (rate ? larger(most, highestUpTo(rate, inputTokens)) : most), 0n);
  if (!rates.output && outputTokens > 0) return null;
  const input = [rates.input, rates.cacheRead, rates.cacheWrite, rates.longCacheWrite, rates.inputAudio];
  const cost = sumRated([
    { units: bounded(inputTokens), nanoUsdPerMillion: dearest(input) },
    { units: bounded(outputTokens), nanoUsdPerMillion: dearest([rates.output, rates.reasoning, rates.outputAudio]) },
    { units: 1, nanoUsdPerMillion: dearest([rates.request]) },
  ]);
  return cost > MAX_CHARGE_NANO_USD ? MAX_CHARGE_NANO_USD : cost;
}

/** All rates times a whole percentage; fractions of a nano-USD per million round up. */
export function scaleRates(rates: Rates, percent: number): Rates {
  const scale = (rate: NanoUsd): NanoUsd => (rate * BigInt(percent) + 99n) / 100n;
  const entries = Object.entries(rates).map(([name, rate]: [string, TieredRate | null]) => [
    name,
    rate && { base: scale(rate.base), tiers: rate.tiers.map((tier) => ({ ...tier, rate: scale(tier.rate) })) },
  ]);
  return Object.fromEntries(entries) as Rates;
}

function bounded(units: number): number {
  return Math.min(units, Number.MAX_SAFE_INTEGER);
}

function rateAt(rate: TieredRate, promptTokens: number): NanoUsd {
  return rate.tiers.findLast(({ above }) => promptTokens > above)?.rate ?? rate.base;
}

function highestUpTo(rate: TieredRate, promptTokens: number): NanoUsd {
  return rate.tiers.reduce((most, tier) => (promptTokens > tier.above ? larger(most, tier.rate) : most), rate.base);
}

function larger(a: NanoUsd, b: NanoUsd): NanoUsd {
  return a > b ? a : b;
}
