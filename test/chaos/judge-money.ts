/** The ledger's money against the provider's: what was billed is the truth. */
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { MAX_OUTPUT_TOKENS, TIGHT_LIMIT_NANO_USD, costNanoUsd } from './campaign-config.ts';
import { billed, costFaults } from './match-bills.ts';
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

/** More tokens than any prompt of the campaign is taken for. */
const MAX_INPUT_TOKENS = 600;
const DEAREST_NANO_USD = costNanoUsd(MAX_INPUT_TOKENS, MAX_OUTPUT_TOKENS);

export function judgeMoney({ calls, requests, closed, held }: Evidence, faults: string[]): MoneyTally {
  const tight = new Set(calls.filter(({ tenant }) => tenant === 'tight').map(({ nonce }) => nonce));
  const billedTight = sum(requests.filter(({ nonce }) => tight.has(nonce)).map(billed));
  const overshoot = above(billedTight, TIGHT_LIMIT_NANO_USD);
  if (overshoot > 0n) faults.push(`the tight budget was billed ${String(overshoot)} nano-USD beyond its limit`);
  const overbooked = above(held?.after.tightSpentNanoUsd ?? 0n, TIGHT_LIMIT_NANO_USD);
  if (overbooked > 0n) faults.push(`the tight budget was booked ${String(overbooked)} nano-USD beyond its limit`);
  const leaked = held?.after.heldNanoUsd ?? 0n;
  if (leaked !== 0n) faults.push(`${String(leaked)} nano-USD are held by nothing`);

  const accounts = closed ? calls.map(({ nonce }) => accountOf(nonce, requests, closed)) : [];
  const wrong = accounts.flatMap((account) => faultsOf(account).map((why) => `${account.nonce}: ${why}`));
  faults.push(...wrong);
  const short = accounts.map(({ truth, booked }) => above(truth, booked)).filter((missing) => missing > 0n);
  const attempts = (closed ?? []).flatMap((call) => call.attempts);
  return {
    overshootNanoUsd: String(overshoot + overbooked),
    leakedNanoUsd: String(leaked),
    heldByUnknownNanoUsd: String((held?.before.heldNanoUsd ?? 0n) - leaked),
    costErrors: wrong.length,
    settled: attempts.filter(({ state }) => state === 'settled').length,
    billedNanoUsd: String(sum(requests.map(billed))),
    bookedNanoUsd: String(sum((closed ?? []).map((call) => BigInt(call.costNanoUsd)))),
    underbooked: short.length,
    underbookedNanoUsd: String(sum(short)),
  };
}

/** All that was billed and booked under a nonce. */
interface Account {
  nonce: string;
  requests: ProviderRequest[];
  calls: CallView[];
  truth: bigint;
  booked: bigint;
}

function accountOf(nonce: string, requests: readonly ProviderRequest[], closed: readonly CallView[]): Account {
  const own = requests.filter((request) => request.nonce === nonce);
  const calls = closed.filter(({ tags }) => tags['nonce'] === nonce);
  const booked = sum(calls.map((call) => BigInt(call.costNanoUsd)));
  return { nonce, requests: own, calls, truth: sum(own.map(billed)), booked };
}

/** What is priced is exact, and a call costs what its attempts do; an estimate is at most the worst case. */
function faultsOf({ requests, calls, truth, booked }: Account): string[] {
  const attempts = calls.flatMap((call) => call.attempts);
  const faults = [
    ...calls.flatMap(totalFaults),
    ...attempts
      .filter(({ pricing, costNanoUsd: cost }) => pricing !== 'priced' && BigInt(cost) > DEAREST_NANO_USD)
      .map(({ n, costNanoUsd: cost }) => `attempt ${String(n)} costs ${cost} nano-USD, more than any attempt here can`),
    ...costFaults(attempts, requests),
  ];
  // A stream that broke off was counted as far as it was read, and a lost attempt is booked at its hold.
  const isExact = attempts.every(({ pricing }) => pricing === 'priced');
  if (faults.length === 0 && isExact && booked !== truth) {
    faults.push(`booked ${String(booked)} nano-USD for a bill of ${String(truth)}, and nothing of it is an estimate`);
  }
  return faults;
}

function totalFaults({ id, costNanoUsd: total, attempts }: CallView): string[] {
  const parts = sum(attempts.map((attempt) => BigInt(attempt.costNanoUsd)));
  return BigInt(total) === parts ? [] : [`${id} costs ${total} nano-USD, and its attempts ${String(parts)}`];
}

function above(amount: bigint, limit: bigint): bigint {
  return amount > limit ? amount - limit : 0n;
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}
