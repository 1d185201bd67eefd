/** Whether a call that was accepted came to an end that its clients can have. */
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import type { CallPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import type { ProviderRequest } from './provider-truth.ts';
import type { Submission } from './submission.ts';
import type { Hit } from './target.ts';

/** All that is known of one call of the plan. A key may stand for several calls of the ledger, one after the other. */
export interface CallEvidence {
  call: CallPlan;
  submissions: Submission[];
  requests: ProviderRequest[];
  ledger: CallView[] | null;
  known: Evidence['known'];
  /** Something stood in its way: the provider was told to disturb it, the network failed, or a process was gone meanwhile. */
  isDisturbed: boolean;
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

/** Ends of clients that had nobody to tell them more, or were not there to be told. */
const GONE: ReadonlySet<Submission['end']> = new Set(['left', 'broken', 'nothing']);
const UNAVAILABLE = 503;

export function callEvidence(evidence: Evidence, call: CallPlan): CallEvidence {
  const mine = <T extends { nonce: string }>(all: readonly T[]) => all.filter(({ nonce }) => nonce === call.nonce);
  const submissions = mine(evidence.submissions);
  const ids = new Set(submissions.map(({ callId }) => callId));
  const requests = mine(evidence.requests);
  const ledger = evidence.ledger?.filter(({ tags }) => tags['nonce'] === call.nonce) ?? null;
  const isMet = ledger === null || ledger.some((view) => evidence.hits.some((hit) => meets(hit, view)));
  return {
    call,
    submissions,
    requests,
    ledger,
    isDisturbed: isMet || evidence.outage !== null || requests.some(({ isDisturbed }) => isDisturbed),
    known: evidence.known.filter(({ callId }) => ids.has(callId)),
  };
}

/** From a restart until what was gone takes work again, as far as a call may feel it. */
const RESTART_FELT_MS = 10_000;

function meets({ at, restartedAt }: Hit, { createdAt, endedAt }: CallView): boolean {
  const end = endedAt === null ? Infinity : Date.parse(endedAt);
  return at <= end && restartedAt + RESTART_FELT_MS >= Date.parse(createdAt);
}

export function judgeEnd(seen: CallEvidence): End {
  const open = seen.ledger?.find(({ state }) => state !== 'ended');
  if (open) return { isAccepted: true, kind: 'lost', why: `${open.id} is still ${open.state}` };
  // What fails is a call, and has an id; before there is one, all that may be said is that nothing can be taken now.
  const failed = seen.submissions.find(
    ({ callId, status }) => callId === null && status !== null && status >= 500 && status !== UNAVAILABLE,
  );
  if (failed) return { isAccepted: false, kind: 'lost', why: `was refused with status ${String(failed.status)}` };
  return seen.call.isKeyed ? judgeKeyed(seen) : judgeUnkeyed(seen);
}

/** Of these a lost attempt is never followed by another: that its outcome is unknown is then what policy wants to be said. */
export function mustNotPayAgain({ model }: CallPlan): boolean {
  return model === 'careful' || model === 'background';
}

/** Whether a call of the plan may come to this end. Every other one is nobody's decision, and ours to answer for. */
function mayEndWith({ call, submissions, isDisturbed }: CallEvidence, code: string): boolean {
  switch (code) {
    case 'budget_exceeded':
      return call.tenant === 'tight';
    case 'cancelled':
    case 'engine_unavailable':
      // Its client left, lost its connection or was told to come back; the latter is what ends a lost start.
      return !call.isKeyed && submissions.every(({ end, status }) => GONE.has(end) || status === UNAVAILABLE);
    case 'outcome_unknown':
      return mustNotPayAgain(call);
    default:
      return PROVIDERS_FAULT.has(code) && isDisturbed;
  }
}

/** What a client was told to be the whole answer is on record as such. Without a ledger there is nothing to compare. */
function answered(ledger: readonly CallView[] | null): End {
  return ledger === null || ledger.some(({ outcome }) => outcome === 'succeeded')
    ? { isAccepted: true, kind: 'answered' }
    : { isAccepted: true, kind: 'lost', why: 'its client has an answer of which the ledger knows nothing' };
}

function endedWith(seen: CallEvidence, code: string, isAccepted: boolean): End {
  return mayEndWith(seen, code)
    ? { isAccepted, kind: 'other', code }
    : { isAccepted, kind: 'lost', why: `ended with ${code}` };
}

/** Clients with a key come back: each of them must have the answer in hand, or a refusal that is final, and all the same. */
function judgeKeyed(seen: CallEvidence): End {
  const { submissions, ledger } = seen;
  const isAccepted = (ledger?.length ?? 0) > 0 || submissions.some(({ callId }) => callId !== null);
  const lost = (why: string): End => ({ isAccepted, kind: 'lost', why });
  const lasts = [...new Map(submissions.map((submission) => [submission.client, submission])).values()];
  const decided = lasts.filter(({ callId }) => callId === null || !superseded(ledger ?? []).has(callId));
  const last = decided[0] ?? lasts[0];
  if (!last || lasts.some(({ end, mayAskAgain }) => end !== 'whole' && (end !== 'error' || mayAskAgain))) {
    return lost('a client of it asked until its patience ended');
  }
  const ends = new Set(
    decided.map(({ end, errorCode, status }) => (end === 'whole' ? end : (errorCode ?? String(status)))),
  );
  if (ends.size > 1) return lost(`its clients were told different ends: ${[...ends].join(', ')}`);
  return last.end === 'whole' ? answered(ledger) : endedWith(seen, last.errorCode ?? String(last.status), isAccepted);
}

/** A denial leaves its key free: whoever comes later asks anew, and may be told otherwise. */
function superseded(ledger: readonly CallView[]): Set<string> {
  const inOrder = ledger.toSorted((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt));
  return new Set(inOrder.slice(0, -1).flatMap(({ id, outcome }) => (outcome === 'denied' ? [id] : [])));
}

/** A client without a key has the answer, or an id under which the end of its call can be read. */
function judgeUnkeyed(seen: CallEvidence): End {
  const { submissions, known, ledger } = seen;
  const [submission] = submissions;
  if (submission?.callId == null) {
    const isNobodys = !submission || GONE.has(submission.end) || submission.status === UNAVAILABLE;
    if (isNobodys) return { isAccepted: false, kind: 'never' };
    return { isAccepted: false, kind: 'lost', why: `was refused with status ${String(submission.status)}` };
  }
  const call = known[0]?.call;
  if (submission.end === 'whole') return answered(ledger && (call ? [call] : []));
  if (!call) return { isAccepted: true, kind: 'lost', why: 'its id stands for nothing' };
  if (call.outcome === 'succeeded') return { isAccepted: true, kind: 'answered' };
  return endedWith(seen, call.error?.code ?? call.outcome ?? call.state, true);
}
