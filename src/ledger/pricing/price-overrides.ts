/** Prices given by the operator: `provider/model` or `provider/*` to USD per million tokens, as decimal strings. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { HoldfastError } from '../../core/errors.ts';
import { nanoUsdFromUsd } from '../../core/money.ts';
import { flatRate } from './rates.ts';
import type { Rates, TieredRate } from './rates.ts';

const usdPerMillion = z.union([z.string(), z.number()]).transform((usd, context): TieredRate => {
  try {
    return flatRate(nanoUsdFromUsd(usd));
  } catch {
    context.addIssue({ code: 'custom', message: 'must be a non-negative decimal such as "1.25" (USD per million)' });
    return z.NEVER;
  }
});

const ratesSchema = z.strictObject({
  input: usdPerMillion,
  output: usdPerMillion.nullable().default(null),
  cacheRead: usdPerMillion.optional(),
  cacheWrite: usdPerMillion.optional(),
  longCacheWrite: usdPerMillion.optional(),
  reasoning: usdPerMillion.optional(),
  inputAudio: usdPerMillion.optional(),
  outputAudio: usdPerMillion.optional(),
  request: usdPerMillion.optional(),
});

const overridesSchema = z.record(
  z.string().regex(/^[^/\s]+\/\S+$/, 'must be provider/model or provider/*'),
  ratesSchema,
);

export interface PriceOverrides {
  /** `overrides@` and a short hash of their content. */
  version: string;
  find(providerName: string, model: string): Rates | null;
}

export const NO_OVERRIDES: PriceOverrides = { version: 'overrides@none', find: () => null };

/** Reads a YAML or JSON file. @throws HoldfastError `invalid_request` that names the file and every path at fault. */
export function loadPriceOverrides(path: string): PriceOverrides {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HoldfastError('invalid_request', `The price overrides ${path} cannot be read: ${reason}`);
  }
  return parsePriceOverrides(value ?? {}, path);
}

/** @throws HoldfastError `invalid_request` that names every path at fault. */
export function parsePriceOverrides(value: unknown, origin = 'prices.overrides'): PriceOverrides {
  const parsed = overridesSchema.safeParse(value);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const inner = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
      const { message } = inner ?? issue;
      return `${issue.path.join('.') || '(root)'}: ${message}`;
    });
    throw new HoldfastError('invalid_request', `The price overrides ${origin} are malformed. ${faults.join('; ')}`);
  }
  const rates = new Map<string, Rates>(Object.entries(parsed.data));
  const digest = createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 8);
  return {
    version: `overrides@${digest}`,
    find: (providerName, model) => rates.get(`${providerName}/${model}`) ?? rates.get(`${providerName}/*`) ?? null,
  };
}
