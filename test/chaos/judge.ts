/** A round's evidence against the bars: what each call came to, seen from its clients, the ledger and the provider. */
import { errorTable } from '../../src/core/errors.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import type { RoundPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import { callEvidence, judgeEnd, mustNotPayAgain, type CallEvidence } from './judge-end.ts';
import { judgeMoney } from './judge-money.ts';
import { judgeText } from './judge-text.ts';
import { LOST, silentRequests } from './match-attempts.ts';
import { isPaid } from './provider-truth.ts';
import { recoveryTimes } from './recovery.ts';
import { NOTHING, type Tally } from './tally.ts';

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
    const again = attempts ? paidAgainstPolicy(seen) : 0;
    tally.paidAgainstPolicy += again;
    if (again > 0) faults.push(`${call.nonce}: ${call.model} was sent again after its outcome was lost`);
    const paid = seen.requests.filter(isPaid).length;
    // Without a ledger a call is said to be one dispatch, as callers of a plain gateway believe.
    const silent = attempts ? silentRequests(attempts, seen.requests, plan.network !== null) : Math.max(0, paid - 1);
    if (silent > 0) {
      tally.silentDuplicates += silent;
      faults.push(`${call.nonce}: paid ${String(paid)} times, ${String(silent)} of them by no attempt on record`);
    }
  }
  return { tally, faults };
}

/**
 * Attempts after one whose outcome was lost, where policy forbids them. The calls of a key count as one: none may follow a
 * lost attempt, unless its client was told of an end that invites it to ask again, and did.
 */
function paidAgainstPolicy({ call, ledger, submissions }: CallEvidence): number {
  if (!mustNotPayAgain(call)) return 0;
  const inOrder = (ledger ?? []).toSorted((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt));
  let isLost = false;
  let against = 0;
  for (const view of inOrder) {
    for (const { state, costNanoUsd } of view.attempts) {
      if (isLost) against += 1;
      // The provider of the campaign breaks streams without a word: what is charged for one is lost by another name.
      isLost ||= LOST.has(state) || (call.model === 'careful' && state === 'failed' && costNanoUsd !== '0');
    }
    const isTold = submissions.some(({ callId, end }) => callId === view.id && end === 'error');
    if (isTold && invitesToAskAgain(view)) isLost = false;
  }
  return against;
}

function invitesToAskAgain({ error }: CallView): boolean {
  return error !== null && (error.code === 'cancelled' || errorTable[error.code].sdkMayRetry);
}
