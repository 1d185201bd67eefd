/**
 * Money is an integer: nano-USD (1 USD = 1,000,000,000) as a bigint in memory and a decimal string in JSON.
 * No float ever holds an amount.
 */
export type NanoUsd = bigint;

/** A decimal string of nano-USD, as it stands in JSON. */
export type NanoUsdString = string;

const NANO_PER_USD_DIGITS = 9;
const TOKENS_PER_RATE = 1_000_000n;
const DECIMAL = /^(\d{1,12})(?:\.(\d{1,18}))?(?:[eE]([+-]?\d{1,2}))?$/;

/**
 * Nano-USD of a decimal amount of USD ("0.0375", 12, 2.5e-7). Digits below a nano-USD round up, so that a limit or
 * a price is never understated. Numbers are read through their shortest decimal text, never through arithmetic.
 * @throws RangeError on negatives, NaN and other malformed text.
 */
export function nanoUsdFromUsd(usd: string | number): NanoUsd {
  const match = DECIMAL.exec(String(usd));
  if (!match) throw new RangeError(`not a non-negative amount of USD: ${String(usd)}`);
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  const scale = NANO_PER_USD_DIGITS - fraction.length + Number(exponent);
  return scale >= 0 ? digits * 10n ** BigInt(scale) : divideUp(digits, 10n ** BigInt(-scale));
}

/** "12.345000000" style text of an amount, without trailing zeros beyond cents: 1500000000n -> "1.50". */
export function formatUsd(amount: NanoUsd): string {
  const sign = amount < 0n ? '-' : '';
  const digits = (amount < 0n ? -amount : amount).toString().padStart(NANO_PER_USD_DIGITS + 1, '0');
  const whole = digits.slice(0, -NANO_PER_USD_DIGITS);
  const fraction = digits.slice(-NANO_PER_USD_DIGITS).replace(/0+$/, '').padEnd(2, '0');
  return `${sign}${whole}.${fraction}`;
}

/** Reads the JSON form. @throws RangeError when it is not a decimal integer. */
export function parseNanoUsd(text: NanoUsdString): NanoUsd {
  if (!/^-?\d{1,30}$/.test(text)) throw new RangeError('not a decimal string of nano-USD');
  return BigInt(text);
}

/** A counted quantity and its rate in nano-USD per million units. */
export interface RatedQuantity {
  units: number;
  nanoUsdPerMillion: NanoUsd;
}

/** The exact sum of rated quantities, rounded half up once, at the end. */
export function sumRated(quantities: readonly RatedQuantity[]): NanoUsd {
  let total = 0n;
  for (const { units, nanoUsdPerMillion } of quantities) {
    if (!Number.isSafeInteger(units) || units < 0) throw new RangeError('units must be a non-negative integer');
    total += BigInt(units) * nanoUsdPerMillion;
  }
  return (total + TOKENS_PER_RATE / 2n) / TOKENS_PER_RATE;
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
