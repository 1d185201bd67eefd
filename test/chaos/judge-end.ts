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

/** Ends that are nobody's decision: no call that was accepted may come to one of them, but for one that must not be paid again. */
const OUR_FAULT: ReadonlySet<string> = new Set(['outcome_unknown', 'engine_unavailable', 'not_found']);

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

function isOurFault(call: CallPlan, code: string): boolean {
  return OUR_FAULT.has(code) && !(code === 'outcome_unknown' && mustNotPayAgain(call));
}

/** Clients with a key come back: each must have the answer in hand, or a refusal that is final. */
function judgeKeyed({ call, submissions, ledger }: CallEvidence): End {
  const isAccepted = (ledger?.length ?? 0) > 0 || submissions.some(({ callId }) => callId !== null);
  const last = submissions.findLast(({ end, mayAskAgain }) => end === 'whole' || (end === 'error' && !mayAskAgain));
  const isAnswered = submissions.some(({ end }) => end === 'whole');
  if (!last) return { isAccepted, kind: 'lost', why: 'its clients asked until their patience ended' };
  if (isAnswered) return { isAccepted, kind: 'answered' };
  const code = last.errorCode ?? String(last.status);
  return isOurFault(call, code)
    ? { isAccepted, kind: 'lost', why: `ended with ${code}` }
    : { isAccepted, kind: 'other', code };
}

/** A client without a key has the answer, or an id under which the end of its call can be read. */
function judgeUnkeyed({ call: planned, submissions, known }: CallEvidence): End {
  const [submission] = submissions;
  if (submission?.callId == null) return { isAccepted: false, kind: 'never' };
  const call = known[0]?.call;
  if (submission.end === 'whole' && call?.outcome !== 'failed') return { isAccepted: true, kind: 'answered' };
  if (!call) return { isAccepted: true, kind: 'lost', why: 'its id stands for nothing' };
  if (call.outcome === 'succeeded') return { isAccepted: true, kind: 'answered' };
  const code = call.error?.code ?? call.outcome ?? call.state;
  return isOurFault(planned, code)
    ? { isAccepted: true, kind: 'lost', why: `ended with ${code}` }
    : { isAccepted: true, kind: 'other', code };
}
