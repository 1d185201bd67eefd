/** Figures as people read them. */
import type { Pricing } from '../core/call/types.ts';
import { formatUsd, parseNanoUsd, type NanoUsdString } from '../core/money.ts';
import type { CallDescription } from '../client/index.ts';

export function costText(costNanoUsd: NanoUsdString, pricing: Pricing): string {
  if (pricing === 'unpriced') return 'unpriced';
  return `${pricing === 'estimated' ? '~' : ''}$${formatUsd(parseNanoUsd(costNanoUsd))}`;
}

/** How long a call took, or `-` while it runs. */
export function tookText({ createdAt, endedAt }: Pick<CallDescription, 'createdAt' | 'endedAt'>): string {
  if (endedAt === null) return '-';
  const ms = Date.parse(endedAt) - Date.parse(createdAt);
  return ms < 1_000 ? `${String(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** What became of a call in a word or two. */
export function outcomeText({ outcome, state, error }: Pick<CallDescription, 'outcome' | 'state' | 'error'>): string {
  return outcome === null ? state : error ? `${outcome} (${error.code})` : outcome;
}
