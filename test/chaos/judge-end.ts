/** Whether a call that was accepted came to an end that its clients can have. */
import type { CallView } from '../../src/core/ports/ledger.ts';
import type { CallPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import type { ProviderRequest } from './provider-truth.ts';
import type { Submission } from './submission.ts';

/** All that is known of one call of the plan. A key may stand for several calls of the ledger, one after the other. */
export interface CallEvidence {
  call: CallPlan;
  submissions: Submission[];
  requests: ProviderRequest[];
  ledger: CallView[] | null;
  known: Evidence['known'];
}

export type End = { isAccepted: boolean } & (
  { kind: 'answered' } | { kind: 'other'; code: string } | { kind: 'lost'; why: string } | { kind: 'never' }
);

/** What the mock provider's manners can bring a call to. */
const PROVIDERS_FAULT: ReadonlySet<string> = new Set([
  'provider_timeout',
  'provider_unavailable',
  'provider_rate_limited',
  'all_candidates_failed',
]);

export function callEvidence(evidence: Evidence, call: CallPlan): CallEvidence {
  const mine = <T extends { nonce: string }>(all: readonly T[]) => all.filter(({ nonce }) => nonce === call.nonce);
  const submissions = mine(evidence.submissions);
  const ids = new Set(submissions.map(({ callId }) => callId));
  return {
    call,
    submissions,
    requests: mine(evidence.requests),
    ledger: evidence.ledger?.filter(({ tags }) => tags['nonce'] === call.nonce) ?? null,
    known: evidence.known.filter(({ callId }) => ids.has(callId)),
  };
}

export function judgeEnd(seen: CallEvidence): End {
  const open = seen.ledger?.find(({ state }) => state !== 'ended');
  if (open) return { isAccepted: true, kind: 'lost', why: `${open.id} is still ${open.state}` };
  return seen.call.isKeyed ? judgeKeyed(seen) : judgeUnkeyed(seen);
}

/** Of these a lost attempt is never followed by another: that its outcome is unknown is then what policy wants to be said. */
export function mustNotPayAgain({ model }: CallPlan): boolean {
  return model === 'careful' || model === 'background';
}

/** Whether a call of the plan may come to this end. Every other one is nobody's decision, and ours to answer for. */
function mayEndWith(call: CallPlan, code: string): boolean {
  switch (code) {
    case 'budget_exceeded':
      return call.tenant === 'tight';
    case 'cancelled':
      // Its client left, or its start was lost and nobody could come back for it.
      return !call.isKeyed;
    case 'outcome_unknown':
      return mustNotPayAgain(call);
    default:
      return PROVIDERS_FAULT.has(code);
  }
}

/** What a client was told to be the whole answer is on record as such. Without a ledger there is nothing to compare. */
function answered(ledger: readonly CallView[] | null): End {
  return ledger === null || ledger.some(({ outcome }) => outcome === 'succeeded')
    ? { isAccepted: true, kind: 'answered' }
    : { isAccepted: true, kind: 'lost', why: 'its client has an answer of which the ledger knows nothing' };
}

function endedWith(call: CallPlan, code: string, isAccepted: boolean): End {
  return mayEndWith(call, code)
    ? { isAccepted, kind: 'other', code }
    : { isAccepted, kind: 'lost', why: `ended with ${code}` };
}

/** Clients with a key come back: each must have the answer in hand, or a refusal that is final. */
function judgeKeyed({ call, submissions, ledger }: CallEvidence): End {
  const isAccepted = (ledger?.length ?? 0) > 0 || submissions.some(({ callId }) => callId !== null);
  const last = submissions.findLast(({ end, mayAskAgain }) => end === 'whole' || (end === 'error' && !mayAskAgain));
  const isAnswered = submissions.some(({ end }) => end === 'whole');
  if (!last) return { isAccepted, kind: 'lost', why: 'its clients asked until their patience ended' };
  if (isAnswered) return answered(ledger);
  return endedWith(call, last.errorCode ?? String(last.status), isAccepted);
}

/** A client without a key has the answer, or an id under which the end of its call can be read. */
function judgeUnkeyed({ call: planned, submissions, known, ledger }: CallEvidence): End {
  const [submission] = submissions;
  if (submission?.callId == null) return { isAccepted: false, kind: 'never' };
  const call = known[0]?.call;
  if (submission.end === 'whole') return answered(ledger && (call ? [call] : []));
  if (!call) return { isAccepted: true, kind: 'lost', why: 'its id stands for nothing' };
  if (call.outcome === 'succeeded') return { isAccepted: true, kind: 'answered' };
  return endedWith(planned, call.error?.code ?? call.outcome ?? call.state, true);
}
