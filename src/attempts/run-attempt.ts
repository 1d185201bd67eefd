/**
 * One order of the call engine, carried out: the ledger row before the bytes, the bytes, the record after them. This is
 * where "never paid twice in silence" is kept, so each step says which crash it is safe against.
 */
import type { StoredAnswer } from '../core/call/stored-answer.ts';
import type { AttemptOrder, AttemptOutcome } from '../core/call/types.ts';
import { HoldfastError, type ErrorRecord } from '../core/errors.ts';
import { parseNanoUsd } from '../core/money.ts';
import type {
  AttemptCharge,
  AttemptLease,
  BudgetSpec,
  Ledger,
  OpenAttemptResult,
  RecordFailureInput,
} from '../core/ports/ledger.ts';
import type { PayloadStore } from '../core/ports/payload-store.ts';
import type { CallRequest, ProviderAdapter, ProviderAnswer } from '../core/ports/provider.ts';
import type { StreamBus } from '../core/ports/stream-bus.ts';
import type { ProviderSettings } from '../core/settings.ts';
import type { Dispatcher, DispatchResult } from '../providers/dispatch/dispatcher.ts';
import { concealEcho } from './conceal-echo.ts';
import { untilRecorded } from './until-recorded.ts';
import { createFrameLog } from './frame-log.ts';
import { createLiveAttempts } from './live-attempts.ts';
import { answered, failedWith, outcomeUnknown } from './outcomes.ts';

export interface AttemptDeps {
  ledger: Ledger;
  payloads: PayloadStore;
  bus: StreamBus;
  dispatcher: Dispatcher;
  adapters: ReadonlyMap<string, ProviderAdapter>;
  /** @throws HoldfastError `not_found` for a provider that the configuration lacks. */
  providerNamed(name: string): ProviderSettings;
  /** The secret's version as of now. @throws HoldfastError `provider_auth` when there is none. */
  resolveCredential(reference: string): Promise<{ name: string; version: number; reveal(): string }>;
  budgetsOf(tenant: string, key: string | null): readonly BudgetSpec[];
  /** The price of what an answer counted, or of an estimate when it did not count. */
  charge(provider: ProviderSettings, model: string, request: CallRequest, answer: ProviderAnswer): AttemptCharge;
  /** Names this process life in attempt rows. */
  owner: string;
  payloadTtlMs: number;
}

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
  let credential: Awaited<ReturnType<AttemptDeps['resolveCredential']>> | null;
  try {
    credential = order.credential === null ? null : await deps.resolveCredential(order.credential);
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    return withoutCredential(deps, order, error);
  }
  const open = () =>
    deps.ledger.openAttempt({
      callId: order.callId,
      order: order.order,
      candidate: order.candidate,
      credential: credential && `${credential.name}@${String(credential.version)}`,
      worstCaseNanoUsd:
        order.candidate.worstCaseNanoUsd === null ? null : parseNanoUsd(order.candidate.worstCaseNanoUsd),
      budgets: deps.budgetsOf(order.tenant, order.key),
      owner: deps.owner,
    });

  let opened = await open();
  if (opened.status === 'interrupted') {
    // The row says that bytes left, and no one in this process is waiting for them: their sender died, or the engine
    // gave the order to us while it lives elsewhere.
    if (order.onUnknown === 'fail') return giveUpInterrupted(deps, order, opened.lease, open);
    // Fencing makes the row `unknown` and silences that other writer.
    await deps.ledger.fence(opened.lease, 'the process that sent it was lost');
    opened = await open();
  }
  if (opened.status !== 'dispatched') return withoutDispatch(opened, order);
  return dispatch(deps, order, provider, request, credential?.reveal(), opened.lease, signal);
}

/** A credential that is gone now may have been there when this order was dispatched, before a crash. */
async function withoutCredential(
  deps: AttemptDeps,
  order: AttemptOrder,
  error: HoldfastError,
): Promise<AttemptOutcome> {
  const call = await deps.ledger.getCall(order.callId);
  const row = call?.attempts.findLast((attempt) => attempt.order === order.order);
  if (row && row.state !== 'reserved') return outcomeUnknown(row.n);
  return failedWith(order.order, error.toRecord(), { failOver: true });
}

async function loadRequest(deps: AttemptDeps, order: AttemptOrder): Promise<CallRequest> {
  const bytes = await deps.payloads.get(order.requestRef);
  if (!bytes) throw new HoldfastError('engine_unavailable', 'The stored request of this call has expired.');
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as CallRequest;
}

function withoutDispatch(
  opened: Exclude<OpenAttemptResult, { status: 'dispatched' }>,
  order: AttemptOrder,
): AttemptOutcome {
  switch (opened.status) {
    case 'answered':
      return answered(opened.attempt, opened.answerRef);
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

async function dispatch(
  deps: AttemptDeps,
  order: AttemptOrder,
  provider: ProviderSettings,
  request: CallRequest,
  secret: string | undefined,
  lease: AttemptLease,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { model } = order.candidate;
  const adapter = deps.adapters.get(provider.kind);
  if (!adapter)
    throw new HoldfastError('engine_unavailable', `There is no provider kind ${provider.kind} in this build.`);
  deps.bus.publish(order.callId, {
    type: 'attempt-start',
    attempt: lease.attempt,
    provider: provider.name,
    model,
    wire: adapter.wire,
  });
  const frames = createFrameLog(deps.bus, order.callId, lease.attempt, (responseId) =>
    deps.ledger.markStreaming(lease, responseId),
  );
  let result: DispatchResult;
  let warnings: StoredAnswer['warnings'];
  try {
    const encoded = adapter.encode({ request, model, baseUrl: provider.baseUrl, secret, headers: provider.headers });
    warnings = encoded.warnings;
    result = await deps.dispatcher.dispatch({
      adapter,
      request,
      encoded,
      timeouts: order.timeouts,
      signal,
      onEvent: frames.add,
    });
    await frames.settled();
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    // The request cannot be said in this provider's wire: no byte left.
    const failure = { error: error.toRecord(), retryable: false, failOver: true, delivered: false };
    return recordFailure(deps, order, { lease, failure, charge: null, firstTokenAt: null });
  }

  if (result.status === 'answered') {
    const stored: StoredAnswer = { answer: result.answer, frames: frames.log, warnings };
    const answer = {
      lease,
      answerBytes: Buffer.from(JSON.stringify(stored)),
      payloadTtlMs: deps.payloadTtlMs,
      charge: deps.charge(provider, model, request, result.answer),
      responseId: result.answer.responseId,
      answeredModel: result.answer.model,
      firstTokenAt: result.firstTokenAt,
    };
    // The answer is paid for and in hand: a ledger that is busy for a while must not lose it.
    const written = await untilRecorded(() => deps.ledger.recordAnswer(answer));
    if (!written.written || written.answerRef === undefined) return outcomeUnknown(lease.attempt);
    deps.bus.publish(order.callId, { type: 'answer', attempt: lease.attempt, stored });
    return answered(lease.attempt, written.answerRef);
  }
  const failure = { ...result.failure, message: concealEcho(result.failure.message, secret, request) };
  const broken = { ...result, failure };
  return recordBrokenExchange(deps, order, provider, request, lease, broken, frames.wasDelivered, signal.aborted);
}

async function recordBrokenExchange(
  deps: AttemptDeps,
  order: AttemptOrder,
  provider: ProviderSettings,
  request: CallRequest,
  lease: AttemptLease,
  result: Extract<DispatchResult, { status: 'failed' }>,
  delivered: boolean,
  stopped: boolean,
): Promise<AttemptOutcome> {
  const { failure, unknown, partial } = result;
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
  if (lost && !stopped && order.onUnknown === 'fail') return giveUpUnknown(deps, order, lease);
  return recordFailure(deps, order, {
    lease,
    failure: { error, retryable: !stopped && failure.retryable, failOver: !stopped && failure.failOver, delivered },
    outcomeUnknown: lost,
    charge: partial && deps.charge(provider, order.candidate.model, request, partial),
    firstTokenAt: result.firstTokenAt,
  });
}

/** Ends an attempt whose outcome is lost and must not be paid for again; recorded, so that a repeat ends the same way. */
function giveUpUnknown(deps: AttemptDeps, order: AttemptOrder, lease: AttemptLease): Promise<AttemptOutcome> {
  const { error } = outcomeUnknown(lease.attempt);
  return recordFailure(deps, order, {
    lease,
    failure: { error, retryable: false, failOver: false, delivered: false },
    outcomeUnknown: true,
    charge: null,
    firstTokenAt: null,
  });
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
  if (state !== 'answered' && state !== 'failed') return outcome;
  const reported = await open();
  return reported.status === 'dispatched' ? outcome : withoutDispatch(reported, order);
}

async function recordFailure(
  deps: AttemptDeps,
  order: AttemptOrder,
  report: RecordFailureInput,
): Promise<AttemptOutcome> {
  const { attempt } = report.lease;
  const { failure } = report;
  const { written } = await deps.ledger.recordFailure(report);
  if (!written) return outcomeUnknown(attempt);
  deps.bus.publish(order.callId, {
    type: 'attempt-failed',
    attempt,
    code: failure.error.code,
    delivered: failure.delivered,
  });
  return { status: 'failed', attempt, ...failure };
}
