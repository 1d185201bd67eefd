/**
 * One order of the call engine, carried out: the ledger row before the bytes, the bytes, the record after them. This is
 * where "never paid twice in silence" is kept, so each step says which crash it is safe against.
 */
import { randomUUID } from 'node:crypto';
import type { AttemptOrder, AttemptOutcome } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import { parseNanoUsd } from '../core/money.ts';
import type { AttemptLease, OpenAttemptResult } from '../core/ports/ledger.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { parseStoredRequest } from '../ledger/stored-request.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { dispatchAttempt } from './dispatch-attempt.ts';
import { createLiveAttempts } from './live-attempts.ts';
import { answered, deadlinePassed, failedWith, outcomeUnknown } from './outcomes.ts';
import { giveUpUnknown, recordFailure } from './record-attempt.ts';
import { untilRecorded } from './until-recorded.ts';

export type { AttemptDeps } from './attempt-deps.ts';

export interface AttemptRunner {
  /**
   * Carries out the order, or joins the one that is being carried out in this process already.
   * @param signal aborts the provider request; an order that others joined is aborted for all of them.
   */
  run(order: AttemptOrder, signal: AbortSignal): Promise<AttemptOutcome>;
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
  };
}

async function carryOut(deps: AttemptDeps, order: AttemptOrder, signal: AbortSignal): Promise<AttemptOutcome> {
  const provider = deps.providerNamed(order.candidate.provider);
  const request = await loadRequest(deps, order);
  const credential = await resolveCredential(deps, order.credential);
  // The same sender in every repeat: a commit whose answer was lost must not pass for another's attempt.
  const owner = `${deps.owner}/${randomUUID()}`;
  const open = () =>
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
      });
    });

  let opened = await open();
  if (opened.status === 'interrupted') {
    // The row says that bytes left, and no one in this process is waiting for them: their sender died, or the engine
    // gave the order to us while it lives elsewhere.
    if (order.onUnknown === 'fail') return giveUpInterrupted(deps, order, opened.lease, open);
    const { attempt } = opened.lease;
    // Fencing makes the row `unknown` and silences that other writer.
    await deps.ledger.fence(opened.lease, 'the process that sent it was lost');
    if (isLate(deps, order)) return deadlinePassed(attempt);
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

function isLate(deps: AttemptDeps, order: AttemptOrder): boolean {
  return deps.now() >= order.deadlineAt;
}

interface Credential {
  /** `name@version` as it stands in the attempt; null without a credential. */
  label: string | null;
  reveal?: () => string;
  error?: HoldfastError;
}

async function resolveCredential(deps: AttemptDeps, reference: string | null): Promise<Credential> {
  if (reference === null) return { label: null };
  try {
    const { name, version, reveal } = await deps.resolveCredential(reference);
    return { label: `${name}@${String(version)}`, reveal };
  } catch (error) {
    if (HoldfastError.is(error)) return { label: null, error };
    throw error;
  }
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
): AttemptOutcome {
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
): Promise<AttemptOutcome> {
  const outcome = await giveUpUnknown(deps, order, lease);
  const call = await deps.ledger.getCall(order.callId);
  const state = call?.attempts.find(({ n }) => n === lease.attempt)?.state;
  if (state !== 'settled' && state !== 'failed') return outcome;
  const reported = await open();
  return reported.status === 'dispatched' ? outcome : withoutDispatch(deps, reported, order);
}
