/**
 * One order of the call engine, carried out: the ledger row before the bytes, the bytes, the record after them. This is
 * where "never paid twice in silence" is kept, so each step says which crash it is safe against.
 */
import { randomUUID } from 'node:crypto';
import type { AttemptOrder, AttemptOutcome, EndedAttempt } from '../core/call/types.ts';
import { HoldfastError, type ErrorRecord } from '../core/errors.ts';
import { parseNanoUsd } from '../core/money.ts';
import type { AttemptLease, OpenAttemptResult, UnknownAttempt } from '../core/ports/ledger/attempts.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { parseStoredRequest } from '../ledger/stored-request.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { dispatchAttempt } from './dispatch-attempt.ts';
import { followKept } from './follow-kept.ts';
import { askForAnswer, endedBy, recordGone, withdrawKept, type KeptAttempt } from './kept-answer.ts';
import { createLiveAttempts } from './live-attempts.ts';
import { answered, deadlinePassed, failedWith, outcomeUnknown } from './outcomes.ts';
import { giveUpUnknown, recordFailure } from './record-attempt.ts';
import { resolveCredential, type Credential } from './resolve-credential.ts';
import { settleUnknown } from './settle-unknown.ts';
import { untilRecorded } from './until-recorded.ts';

export type { AttemptDeps } from './attempt-deps.ts';

export interface AttemptRunner {
  /**
   * Carries out the order, or joins the one that is being carried out in this process already.
   * @param signal aborts the provider request; an order that others joined is aborted for all of them.
   */
  run(order: AttemptOrder, signal: AbortSignal): Promise<AttemptOutcome>;
  /** Asks for the answer of an order that the provider keeps. `pending` while it has none. */
  collect(order: AttemptOrder): Promise<AttemptOutcome>;
  /** Ends an order that is pending, at the provider and in the ledger. */
  withdraw(order: AttemptOrder, reason: 'cancelled' | 'deadline'): Promise<EndedAttempt>;
  /** Finds out from the provider what an attempt of an ended call cost. */
  settleUnknown(attempt: UnknownAttempt): ReturnType<typeof settleUnknown>;
  /** Orders being carried out now. */
  readonly live: number;
}

export function createAttemptRunner(deps: AttemptDeps): AttemptRunner {
  const live = createLiveAttempts<AttemptOutcome>();
  return {
    get live() {
      return live.size;
    },
    run(order, signal) {
      return live.joinOrStart(`${order.callId}/${String(order.order)}`, signal, (shared) =>
        carryOut(deps, order, shared),
      );
    },
    settleUnknown: (attempt) => settleUnknown(deps, attempt),
    async collect(order) {
      const found = await findKept(deps, order, neverTaken());
      if ('status' in found) return found;
      const outcome = await askForAnswer(deps, found.attempt, found.mayHoldText);
      return outcome === 'gone' ? recordGone(deps, order, found.attempt) : outcome;
    },
    async withdraw(order, reason) {
      const found = await findKept(deps, order, endedBy(reason));
      return 'status' in found ? found : withdrawKept(deps, found.attempt, reason);
    },
  };
}

async function carryOut(deps: AttemptDeps, order: AttemptOrder, signal: AbortSignal): Promise<AttemptOutcome> {
  const { provider, request, credential } = await prepare(deps, order);
  // The same sender in every repeat: a commit whose answer was lost must not pass for another's attempt.
  const owner = `${deps.owner}/${randomUUID()}`;
  const open = (asksFirst = false) =>
    untilRecorded(async () => {
      await deps.faults?.reach('before-dispatch', order.callId);
      return deps.ledger.openAttempt({
        callId: order.callId,
        order: order.order,
        candidate: order.candidate,
        credential: credential.label,
        worstCaseNanoUsd:
          order.candidate.worstCaseNanoUsd === null ? null : parseNanoUsd(order.candidate.worstCaseNanoUsd),
        budgets: deps.budgetsOf(order),
        owner,
        asksFirst,
      });
    });

  let opened = await open(order.onUnknown === 'recover');
  if (opened.status === 'interrupted') {
    // The row says that bytes left, and no one in this process is waiting for them: their sender died, or the engine
    // gave the order to us while it lives elsewhere.
    const { lease: lost } = opened;
    const mayAsk = order.onUnknown === 'recover' || order.candidate.background;
    const kept = mayAsk ? keptAttempt(deps, { order, provider, request, lease: lost }, credential, opened) : null;
    // Whoever asks for it may record it: the provider has one answer for all.
    if (kept && order.candidate.background) {
      if (request.stream && !isLate(deps, order)) return followKept(deps, kept, signal);
      return { status: 'pending', attempt: lost.attempt };
    }
    const mustNotRepeat = order.onUnknown === 'fail' || (order.candidate.background && order.onUnknown !== 'retry');
    if (mustNotRepeat) return giveUpInterrupted(deps, order, lost, open);
    // Fencing makes the row `unknown` and silences that other writer.
    const lease = opened.isFenced ? lost : await deps.ledger.fence(lost, 'the process that sent it was lost');
    const recovered = kept && lease ? await askForAnswer(deps, { ...kept, lease }, opened.delivered) : 'gone';
    if (recovered !== 'gone') return recovered;
    if (isLate(deps, order)) return deadlinePassed(lost.attempt);
    opened = await open();
  }
  if (opened.status !== 'dispatched') return withoutDispatch(deps, opened, order);
  const { lease } = opened;
  await deps.faults?.reach('after-dispatch', order.callId);
  if (isLate(deps, order)) {
    const { attempt: _attempt, status: _status, ...failure } = deadlinePassed(lease.attempt);
    return recordFailure(deps, order, { lease, failure, charge: null, firstTokenAt: null });
  }
  if (credential.error) {
    // Opened all the same: the row shows what was missing, and its hold is released for the next candidate.
    const failure = { error: credential.error.toRecord(), retryable: false, failOver: true, delivered: false };
    return recordFailure(deps, order, { lease, failure, charge: null, firstTokenAt: null });
  }
  return dispatchAttempt(deps, { order, provider, request, secret: credential.reveal?.(), lease }, signal);
}

async function prepare(deps: AttemptDeps, order: AttemptOrder) {
  const provider = deps.providerNamed(order.candidate.provider);
  const request = await loadRequest(deps, order);
  return { provider, request, credential: await resolveCredential(deps, order.credential) };
}

function neverTaken(): ErrorRecord {
  return {
    code: 'engine_unavailable',
    message: 'No worker could take this attempt up.',
    source: 'gateway',
  };
}

/**
 * The order's attempt as the provider keeps it, or how it ended.
 * @param unsent how an order ends that never came to a worker, so that nothing was sent.
 */
async function findKept(
  deps: AttemptDeps,
  order: AttemptOrder,
  unsent: ErrorRecord,
): Promise<EndedAttempt | { attempt: KeptAttempt; mayHoldText: boolean }> {
  const found = await deps.ledger.reviewAttempt(order.callId, order.order);
  if (!found) return { ...failedWith(order.order, unsent), ...(unsent.code === 'provider_timeout' && { late: true }) };
  if (found.status !== 'interrupted') return withoutDispatch(deps, found, order);
  const { provider, request, credential } = await prepare(deps, order);
  const attempt = keptAttempt(deps, { order, provider, request, lease: found.lease }, credential, found);
  if (!attempt) return giveUpUnknown(deps, order, found.lease);
  // The mark says of work in the background only that its id is known; its text is given out where its caller streams.
  return { attempt, mayHoldText: order.candidate.background ? request.stream : found.delivered };
}

/** Null when its provider cannot be asked for it. */
function keptAttempt(
  deps: AttemptDeps,
  attempt: Omit<KeptAttempt, 'secret' | 'adapter' | 'kept' | 'responseId'>,
  credential: Credential,
  { responseId }: { responseId: string | null },
): KeptAttempt | null {
  const adapter = deps.adapters.get(attempt.provider.kind);
  if (!adapter?.kept || responseId === null || !adapter.kept.isKept(attempt.request, responseId)) return null;
  return { ...attempt, secret: credential.reveal?.(), adapter, kept: adapter.kept, responseId };
}

function isLate(deps: AttemptDeps, order: AttemptOrder): boolean {
  return deps.now() >= order.deadlineAt;
}

async function loadRequest(deps: AttemptDeps, order: AttemptOrder): Promise<CallRequest> {
  const bytes = await deps.payloads.get(order.requestRef);
  if (!bytes) throw new HoldfastError('not_found', 'The stored request of this call has expired.');
  return parseStoredRequest(bytes);
}

function withoutDispatch(
  deps: AttemptDeps,
  opened: Exclude<OpenAttemptResult, { status: 'dispatched' }>,
  order: AttemptOrder,
): EndedAttempt {
  switch (opened.status) {
    case 'answered':
      // Who follows the call here may have missed its end: the process that recorded it is gone.
      deps.bus.publish(order.callId, { type: 'call-end', call: opened.call });
      return answered(opened.attempt, opened.call);
    case 'failed':
      return { status: 'failed', attempt: opened.attempt, ...opened.failure };
    case 'refused':
      return failedWith(order.order, opened.error);
    case 'ended':
      return failedWith(order.order, { code: 'cancelled', message: 'The call has ended.', source: 'gateway' });
    case 'interrupted':
      // Another process opened it between our fence and our second look; it will answer the engine itself.
      return outcomeUnknown(opened.lease.attempt);
  }
}

/** The same for an attempt whose sender is not here. It may have reported after all; then that is what counts. */
async function giveUpInterrupted(
  deps: AttemptDeps,
  order: AttemptOrder,
  lease: AttemptLease,
  open: () => Promise<OpenAttemptResult>,
): Promise<EndedAttempt> {
  const outcome = await giveUpUnknown(deps, order, lease);
  const call = await deps.ledger.getCall(order.callId);
  const state = call?.attempts.find(({ n }) => n === lease.attempt)?.state;
  if (state !== 'settled' && state !== 'failed') return outcome;
  const reported = await open();
  return reported.status === 'dispatched' ? outcome : withoutDispatch(deps, reported, order);
}
