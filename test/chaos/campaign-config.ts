/** The configuration under which the campaign runs: one priced provider, a tenant with room, a tight one for each round. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { CallModel } from './plan.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';

/** Nano-USD per million tokens. Not round, so that the rounding of a cost is seen. */
export const INPUT_RATE = 123_456_780n;
export const OUTPUT_RATE = 7_654_321_900n;
const TOKENS_PER_RATE = 1_000_000n;

/** The most that an answer may have; the provider's have from a third of it to nearly all. */
export const MAX_OUTPUT_TOKENS = 32;
/** Room for the worst case of two calls, and for less than a round's tight calls are billed in truth. */
export const TIGHT_LIMIT_NANO_USD = 800_000n;
const NANO_USD_PER_USD = 1_000_000_000;
/** Never full; a hard budget all the same, so that its holds are kept and can leak. */
const OPEN_LIMIT_USD = 1_000_000;

/** Anthropic's kind asks for a key; the mock takes any. */
export const PROVIDER_KEY = 'CHAOS_PROVIDER_KEY';
const RETRIES = { maxAttempts: 5, initialBackoffMs: 100, maxBackoffMs: 800, maxRetryAfterMs: 2_000 };

export const ADMIN_KEY = 'hk_chaos-administration';

export function keyOf(tenant: 'open' | 'tight', round: number): string {
  return `hk_chaos-${tenantOf(tenant, round)}`;
}

export function tenantOf(tenant: 'open' | 'tight', round: number): string {
  return tenant === 'open' ? 'open' : `tight-${String(round)}`;
}

/** What so many tokens cost: rounded half up, once. The campaign's own arithmetic, to hold the ledger's against. */
export function costNanoUsd(inputTokens: number, outputTokens: number): bigint {
  const exact = BigInt(inputTokens) * INPUT_RATE + BigInt(outputTokens) * OUTPUT_RATE;
  return (exact + TOKENS_PER_RATE / 2n) / TOKENS_PER_RATE;
}

const PROVIDERS = ['mock', 'second', 'claude', 'jobs'] as const;

/** Writes it where a home has it. Gives its path. */
export function writeConfig(home: string, providerPort: number, rounds: number): string {
  const path = join(home, 'holdfast.yaml');
  mkdirSync(home, { recursive: true });
  writeFileSync(path, campaignConfig(home, providerPort, rounds));
  return path;
}

/** For all rounds at once: a budget that is new in each round is near its limit in each. Writes the prices beside it. */
export function campaignConfig(home: string, providerPort: number, rounds: number): string {
  mkdirSync(home, { recursive: true });
  const prices = join(home, 'prices.yaml');
  const usd = (rate: bigint) => (Number(rate) / NANO_USD_PER_USD).toFixed(9);
  const rates = { input: usd(INPUT_RATE), output: usd(OUTPUT_RATE) };
  writeFileSync(prices, stringify(Object.fromEntries(PROVIDERS.map((name) => [`${name}/chaos-1`, rates]))));
  const tight = Array.from({ length: rounds }, (_, index) => tenantOf('tight', index + 1));
  const address = `http://127.0.0.1:${String(providerPort)}`;
  const route = (...providers: (typeof PROVIDERS)[number][]) => ({
    targets: providers.map((provider) => ({ provider, model: 'chaos-1' })),
    retries: RETRIES,
    timeouts: { connectMs: 1_000, firstTokenMs: 4_000, idleMs: 2_500, totalMs: 60_000 },
  });
  const budget = (limitUsd: number) => ({ budgets: [{ limitUsd, period: 'total', hard: true }] });
  const caller = (tenant: string) => ({ name: tenant, tenant, hash: hashVirtualKey(`hk_chaos-${tenant}`) });
  return stringify({
    providers: {
      mock: { kind: 'openai-compatible', baseUrl: `${address}/v1`, allowPrivateAddress: true },
      second: { kind: 'openai-compatible', baseUrl: `${address}/v1`, allowPrivateAddress: true },
      claude: { kind: 'anthropic', baseUrl: address, apiKey: `env:${PROVIDER_KEY}`, allowPrivateAddress: true },
      // OpenAI's wires, background mode included, without a key.
      jobs: { kind: 'simulated', baseUrl: `${address}/v1`, allowPrivateAddress: true },
    },
    models: {
      chaos: route('mock'),
      careful: { ...route('mock'), onUnknown: 'fail' },
      failover: { ...route('mock', 'second'), retries: { ...RETRIES, maxAttempts: 3 } },
      claude: route('claude'),
      background: { ...route('jobs'), background: { totalMs: 60_000 } },
    } satisfies Record<CallModel, object>,
    tenants: {
      open: budget(OPEN_LIMIT_USD),
      ...Object.fromEntries(tight.map((tenant) => [tenant, budget(Number(TIGHT_LIMIT_NANO_USD) / NANO_USD_PER_USD)])),
    },
    keys: [
      { name: 'administration', tenant: 'open', hash: hashVirtualKey(ADMIN_KEY), roles: ['caller', 'admin'] },
      ...['open', ...tight].map(caller),
    ],
    prices: { overrides: prices },
  });
}
