/** A round's evidence against the bars: what each call came to, seen from its clients, the ledger and the provider. */
import type { AttemptState, AttemptView, CallView } from '../../src/core/ports/ledger.ts';
import type { CallPlan, RoundPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import { callEvidence, judgeEnd, mustNotPayAgain } from './judge-end.ts';
import { judgeMoney } from './judge-money.ts';
import { judgeText } from './judge-text.ts';
import { isPaid } from './provider-truth.ts';
import { recoveryTimes } from './recovery.ts';
import { NOTHING, type Tally } from './tally.ts';

/** States of an attempt whose outcome nobody here saw. */
const LOST: ReadonlySet<AttemptState> = new Set(['unknown', 'reconciled', 'abandoned']);

export interface Verdict {
  tally: Tally;
  /** What broke a bar, with round and nonce: enough to play it again and to find its rows. */
  faults: string[];
}

export function judge(plan: RoundPlan, evidence: Evidence): Verdict {
  const faults: string[] = [];
  const tally: Tally = {
    ...NOTHING,
    ...judgeMoney(evidence, faults),
    ...recoveryTimes(plan, evidence),
    endedOtherwise: {},
    rounds: 1,
    kills: evidence.hits.reduce((sum, { kills }) => sum + kills, 0),
    terminations: plan.faults.filter(({ kind }) => kind === 'terminate').length,
    networkFaults: plan.network ? 1 : 0,
    submissions: evidence.submissions.length,
    noticedMs: evidence.hits.flatMap(({ noticedAfterMs }) => noticedAfterMs ?? []),
  };
  for (const call of evidence.calls) {
    const seen = callEvidence(evidence, call);
    const end = judgeEnd(seen);
    if (end.isAccepted) tally.accepted += 1;
    if (end.kind === 'answered') tally.answered += 1;
    if (end.kind === 'other') tally.endedOtherwise[end.code] = (tally.endedOtherwise[end.code] ?? 0) + 1;
    if (end.kind === 'lost') {
      tally.lost += 1;
      faults.push(`${call.nonce}: lost, ${end.why}`);
    }
    const mismatches = judgeText(seen);
    tally.textMismatches += mismatches.length;
    faults.push(...mismatches.map((why) => `${call.nonce}: ${why}`));

    const requests = seen.requests.length;
    tally.dispatches += requests;
    if (requests > 0) tally.dispatchedCalls += 1;
    tally.mostDispatches = Math.max(tally.mostDispatches, requests);
    const attempts = seen.ledger?.flatMap((view) => view.attempts).filter(({ state }) => state !== 'reserved') ?? null;
    tally.unknown += attempts?.filter(({ state }) => LOST.has(state)).length ?? 0;
    const again = attempts ? paidAgainstPolicy(call, seen.ledger ?? []) : 0;
    tally.paidAgainstPolicy += again;
    if (again > 0) faults.push(`${call.nonce}: ${call.model} was sent again after its outcome was lost`);
    const paid = seen.requests.filter(isPaid).length;
    // Without a ledger a call is said to be one dispatch, as callers of a plain gateway believe.
    const admitted = attempts?.filter(isPaidFor).length ?? 1;
    const silent = paid - admitted;
    if (silent > 0) {
      tally.silentDuplicates += silent;
      faults.push(`${call.nonce}: paid ${String(paid)} times, on record ${String(admitted)}`);
    }
  }
  return { tally, faults };
}

/** An attempt that says that the provider may have been paid. One that failed and was free says that it was not. */
function isPaidFor({ state, costNanoUsd }: AttemptView): boolean {
  return state === 'settled' || LOST.has(state) || BigInt(costNanoUsd) > 0n;
}

/** Attempts after one whose outcome was lost, where policy forbids them. */
function paidAgainstPolicy(call: CallPlan, ledger: readonly CallView[]): number {
  if (!mustNotPayAgain(call)) return 0;
  return ledger.reduce((sum, { attempts }) => {
    const lost = attempts.findIndex(({ state }) => LOST.has(state));
    return sum + (lost === -1 ? 0 : attempts.length - 1 - lost);
  }, 0);
}
