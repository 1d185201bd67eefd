/** The ledger's money against the provider's: what was billed is the truth. */
import type { AttemptView, CallView } from '../../src/core/ports/ledger.ts';
import { costNanoUsd, MAX_OUTPUT_TOKENS, TIGHT_LIMIT_NANO_USD } from './campaign-config.ts';
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

  const attempts = (closed ?? []).flatMap((call) => call.attempts.map((attempt) => ({ call, attempt })));
  const settled = attempts.filter(({ attempt: { state } }) => state === 'settled');
  const short = shortfalls(calls, requests, closed);
  const wrong = [
    ...attempts.flatMap(({ call, attempt }) => {
      const why = costFault(attempt, requests, call);
      return why === null ? [] : [`${nonceOf(call)}: attempt ${String(attempt.n)} of ${call.id} ${why}`];
    }),
    ...short
      .filter(({ isEstimated }) => !isEstimated)
      .map(
        ({ nonce, missing }) =>
          `${nonce}: booked ${String(missing)} nano-USD below the bill, and nothing of it is an estimate`,
      ),
  ];
  faults.push(...wrong);
  return {
    overshootNanoUsd: String(overshoot + overbooked),
    leakedNanoUsd: String(leaked),
    heldByUnknownNanoUsd: String((held?.before.heldNanoUsd ?? 0n) - leaked),
    costErrors: wrong.length,
    settled: settled.length,
    billedNanoUsd: String(sum(requests.map(billed))),
    bookedNanoUsd: String(sum((closed ?? []).map((call) => BigInt(call.costNanoUsd)))),
    underbooked: short.length,
    underbookedNanoUsd: String(sum(short.map(({ missing }) => missing))),
  };
}

/** More tokens than any prompt of the campaign is taken for. */
const MAX_INPUT_TOKENS = 600;
const DEAREST_NANO_USD = costNanoUsd(MAX_INPUT_TOKENS, MAX_OUTPUT_TOKENS);

/** What is priced is exact; an estimate is at most the worst case. */
function costFault(attempt: AttemptView, requests: readonly ProviderRequest[], call: CallView): string | null {
  const { state, pricing, costNanoUsd: cost } = attempt;
  if (BigInt(cost) > DEAREST_NANO_USD) return `costs ${cost} nano-USD, more than any attempt here can`;
  if (state === 'settled') return settledFault(attempt, requests, call);
  if (state !== 'reconciled' || pricing !== 'priced') return null;
  const bills = requests.filter(({ nonce }) => nonce === nonceOf(call)).map(billed);
  return bills.includes(BigInt(cost)) ? null : `was reconciled at ${cost} nano-USD, which no request was billed`;
}

/** Each answer of a nonce has another length, so that its usage says which request it was. */
function settledFault({ usage, costNanoUsd: cost }: AttemptView, requests: readonly ProviderRequest[], call: CallView) {
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

interface Shortfall {
  nonce: string;
  missing: bigint;
  /** A stream that broke off was counted as far as it was read; the provider may have sent more. */
  isEstimated: boolean;
}

/** By how much calls were booked below what they were billed, in the end. */
function shortfalls(
  calls: Evidence['calls'],
  requests: readonly ProviderRequest[],
  closed: Evidence['closed'],
): Shortfall[] {
  if (!closed) return [];
  return calls
    .map(({ nonce }) => {
      const truth = sum(requests.filter((request) => request.nonce === nonce).map(billed));
      const own = closed.filter((call) => nonceOf(call) === nonce);
      const isEstimated = own.some(({ attempts }) => attempts.some(({ pricing }) => pricing === 'estimated'));
      return { nonce, missing: above(truth, sum(own.map((call) => BigInt(call.costNanoUsd)))), isEstimated };
    })
    .filter(({ missing }) => missing > 0n);
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
