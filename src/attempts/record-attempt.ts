/** How an attempt's end goes into the ledger, and from there to the engine and the doors. */
import type { AttemptOrder, AttemptOutcome } from '../core/call/types.ts';
import type { ErrorRecord } from '../core/errors.ts';
import type { AttemptLease, RecordFailureInput } from '../core/ports/ledger.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import type { ProviderSettings } from '../core/settings.ts';
import type { DispatchResult } from '../providers/dispatch/dispatcher.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { chargeSafely } from './charge-safely.ts';
import { outcomeUnknown } from './outcomes.ts';
import { untilRecorded } from './until-recorded.ts';

export async function recordBrokenExchange(
  deps: AttemptDeps,
  order: AttemptOrder,
  provider: ProviderSettings,
  request: CallRequest,
  lease: AttemptLease,
  result: Extract<DispatchResult, { status: 'failed' }>,
  delivered: boolean,
  stopped: boolean,
): Promise<AttemptOutcome> {
  const { failure, unknown, partial, late } = result;
  const error: ErrorRecord = stopped
    ? { code: 'cancelled', message: 'The call was cancelled while the provider worked.', source: 'gateway' }
    : {
        code: failure.code,
        message: failure.message,
        source: 'provider',
        ...(failure.status !== undefined && failure.code === 'provider_rejected' && { status: failure.status }),
        ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      };
  const lost = unknown && !partial;
  if (lost && !stopped && !late && order.onUnknown === 'fail') return giveUpUnknown(deps, order, lease);
  return recordFailure(deps, order, {
    lease,
    failure: {
      error,
      retryable: !stopped && failure.retryable,
      failOver: !stopped && failure.failOver,
      delivered,
      ...(late && !stopped && { late }),
    },
    outcomeUnknown: lost,
    charge: partial && chargeSafely(deps, provider, order.candidate.model, request, partial),
    firstTokenAt: result.firstTokenAt,
  });
}

/** Ends an attempt whose outcome is lost and must not be paid for again; recorded, so that a repeat ends the same way. */
export function giveUpUnknown(deps: AttemptDeps, order: AttemptOrder, lease: AttemptLease): Promise<AttemptOutcome> {
  const { error } = outcomeUnknown(lease.attempt);
  return recordFailure(deps, order, {
    lease,
    failure: { error, retryable: false, failOver: false, delivered: false },
    outcomeUnknown: true,
    charge: null,
    firstTokenAt: null,
  });
}

export async function recordFailure(
  deps: AttemptDeps,
  order: AttemptOrder,
  report: RecordFailureInput,
): Promise<AttemptOutcome> {
  const { attempt } = report.lease;
  const { failure } = report;
  const { written } = await untilRecorded(() => deps.ledger.recordFailure(report));
  if (!written) return outcomeUnknown(attempt);
  deps.bus.publish(order.callId, {
    type: 'attempt-failed',
    attempt,
    code: failure.error.code,
    delivered: failure.delivered,
  });
  return { status: 'failed', attempt, ...failure };
}
