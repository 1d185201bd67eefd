/** The attempts of a nonce against its requests at the provider, one to one: nothing that was billed pays for two attempts. */
import type { AttemptView } from '../../src/core/ports/ledger/views.ts';
import { costNanoUsd } from './campaign-config.ts';
import { isPaid, type ProviderRequest } from './provider-truth.ts';

export function billed({ billedInputTokens, billedOutputTokens }: ProviderRequest): bigint {
  return costNanoUsd(billedInputTokens, billedOutputTokens);
}

/**
 * What is wrong with the attempts that have a price. Answers are looked for first: each answer of a nonce has another
 * length, so that its usage says which request it was. Then the prices of attempts that came to no answer.
 */
export function costFaults(attempts: readonly AttemptView[], requests: readonly ProviderRequest[]): string[] {
  const left = [...requests];
  const take = (fits: (request: ProviderRequest) => boolean): boolean => {
    const at = left.findIndex(fits);
    if (at !== -1) left.splice(at, 1);
    return at !== -1;
  };
  const faults: string[] = [];
  for (const { n, state, usage, costNanoUsd: cost } of attempts) {
    if (state !== 'settled') continue;
    const input = usage?.inputTokens ?? 0;
    const output = usage?.outputTokens ?? 0;
    const truth = costNanoUsd(input, output);
    const isBilled = take(
      ({ outcome, billedInputTokens, billedOutputTokens }) =>
        outcome === 'whole' && billedInputTokens === input && billedOutputTokens === output,
    );
    if (!isBilled) {
      faults.push(
        `attempt ${String(n)} has the usage ${String(input)}/${String(output)}, of no whole answer of its own`,
      );
    } else if (BigInt(cost) !== truth) {
      faults.push(`attempt ${String(n)} costs ${cost} nano-USD instead of ${String(truth)}`);
    }
  }
  const ended = attempts.filter(
    ({ state, pricing }) => (state === 'reconciled' || state === 'failed') && pricing === 'priced',
  );
  for (const { n, state, costNanoUsd: cost } of ended.filter((attempt) => !isFree(attempt))) {
    if (take((request) => billed(request) === BigInt(cost))) continue;
    faults.push(`attempt ${String(n)} ${state} at ${cost} nano-USD, of which it has no bill of its own`);
  }
  // Whoever reports that an attempt was free after all says that no bill is left over for it.
  const guessed = attempts.filter(({ pricing }) => pricing !== 'priced').length;
  const isBillLeft = left.filter(isPaid).length > guessed;
  for (const { n } of ended.filter((attempt) => attempt.state === 'reconciled' && isFree(attempt))) {
    if (isBillLeft) faults.push(`attempt ${String(n)} was reconciled as free, and a bill is left over`);
  }
  return faults;
}

function isFree({ costNanoUsd: cost }: AttemptView): boolean {
  return BigInt(cost) === 0n;
}
