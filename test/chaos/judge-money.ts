/** The ledger's money against the provider's: what was billed is the truth. */
import type { AttemptView, CallView } from '../../src/core/ports/ledger.ts';
import { costNanoUsd, TIGHT_LIMIT_NANO_USD } from './campaign-config.ts';
import type { Evidence } from './play-round.ts';
import type { ProviderRequest } from './provider-truth.ts';
import type { Tally } from './tally.ts';

type MoneyTally = Pick<
  Tally,
  | 'overshootNanoUsd'
  | 'leakedNanoUsd'
  | 'heldByUnknownNanoUsd'
  | 'costErrors'
  | 'settled'
  | 'billedNanoUsd'
  | 'bookedNanoUsd'
  | 'underbooked'
  | 'underbookedNanoUsd'
>;

export function judgeMoney({ calls, requests, closed, held }: Evidence, faults: string[]): MoneyTally {
  const tight = new Set(calls.filter(({ tenant }) => tenant === 'tight').map(({ nonce }) => nonce));
  const billedTight = sum(requests.filter(({ nonce }) => tight.has(nonce)).map(billed));
  const overshoot = above(billedTight, TIGHT_LIMIT_NANO_USD);
  if (overshoot > 0n) faults.push(`the tight budget was billed ${String(overshoot)} nano-USD beyond its limit`);
  const overbooked = above(held?.after.tightSpentNanoUsd ?? 0n, TIGHT_LIMIT_NANO_USD);
  if (overbooked > 0n) faults.push(`the tight budget was booked ${String(overbooked)} nano-USD beyond its limit`);
  const leaked = held?.after.heldNanoUsd ?? 0n;
  if (leaked !== 0n) faults.push(`${String(leaked)} nano-USD are held by nothing`);

  const settled = (closed ?? []).flatMap((call) => settledOf(call));
  const wrong = settled.flatMap(({ call, attempt }) => {
    const why = costFault(attempt, requests, call);
    return why === null ? [] : [`${nonceOf(call)}: attempt ${String(attempt.n)} of ${call.id} ${why}`];
  });
  faults.push(...wrong);
  const short = shortfalls(calls, requests, closed);
  return {
    overshootNanoUsd: String(overshoot + overbooked),
    leakedNanoUsd: String(leaked),
    heldByUnknownNanoUsd: String((held?.before.heldNanoUsd ?? 0n) - leaked),
    costErrors: wrong.length,
    settled: settled.length,
    billedNanoUsd: String(sum(requests.map(billed))),
    bookedNanoUsd: String(sum((closed ?? []).map((call) => BigInt(call.costNanoUsd)))),
    underbooked: short.length,
    underbookedNanoUsd: String(sum(short)),
  };
}

function settledOf(call: CallView): { call: CallView; attempt: AttemptView }[] {
  return call.attempts.filter(({ state }) => state === 'settled').map((attempt) => ({ call, attempt }));
}

/** Each answer of a nonce has another length, so that its usage says which request it was. */
function costFault({ usage, costNanoUsd: cost }: AttemptView, requests: readonly ProviderRequest[], call: CallView) {
  const input = usage?.inputTokens ?? 0;
  const output = usage?.outputTokens ?? 0;
  const isBilled = requests.some(
    ({ nonce, outcome, billedInputTokens, billedOutputTokens }) =>
      nonce === nonceOf(call) && outcome === 'whole' && billedInputTokens === input && billedOutputTokens === output,
  );
  if (!isBilled) return `has the usage ${String(input)}/${String(output)}, which no whole answer had`;
  const truth = costNanoUsd(input, output);
  return BigInt(cost) === truth ? null : `costs ${cost} nano-USD instead of ${String(truth)}`;
}

/** By how much calls were booked below what they were billed, in the end. */
function shortfalls(calls: Evidence['calls'], requests: readonly ProviderRequest[], closed: Evidence['closed']) {
  if (!closed) return [];
  return calls
    .map(({ nonce }) => {
      const truth = sum(requests.filter((request) => request.nonce === nonce).map(billed));
      const booked = sum(closed.filter((call) => nonceOf(call) === nonce).map((call) => BigInt(call.costNanoUsd)));
      return above(truth, booked);
    })
    .filter((missing) => missing > 0n);
}

function billed({ billedInputTokens, billedOutputTokens }: ProviderRequest): bigint {
  return costNanoUsd(billedInputTokens, billedOutputTokens);
}

function nonceOf({ tags }: CallView): string {
  return tags['nonce'] ?? '';
}

function above(amount: bigint, limit: bigint): bigint {
  return amount > limit ? amount - limit : 0n;
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}
