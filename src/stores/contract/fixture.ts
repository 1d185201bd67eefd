/** What the contract's tests share: one short life of a call, with every figure open to change. */
import type { Admission, Candidate, RoutePlan, Settlement } from '../../core/call/types.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type {
  AttemptCharge,
  AttemptLease,
  OpenAttemptInput,
  RecordAnswerInput,
  RecordFailureInput,
} from '../../core/ports/ledger/attempts.ts';
import type { BudgetSpec } from '../../core/ports/ledger/budgets.ts';
import type { AcceptInput } from '../../core/ports/ledger/calls.ts';
import type { PayloadStore } from '../../core/ports/payload-store.ts';
import type { StoreKeys } from '../sql/sql-ledger.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** Calls that a process which churns has ended when it says so. */
export const CHURNED = 40;
/** Of ledgers on PostgreSQL whose tests are not about waiting: processes that crowd a slow machine are not in a hurry. */
export const PATIENT_WAITS = { connectMs: 60_000, lockMs: 60_000, statementMs: 60_000 };
export const START = Date.UTC(2026, 10, 20, 12);

/** A store under test with a clock that the test turns. */
export interface StoreUnderTest {
  ledger: Ledger;
  payloads: PayloadStore;
  keys: StoreKeys;
  /** Of the sealed payloads together. */
  storedBytes(): Promise<number>;
  clock: { now: number };
}

export type OpenStore = () => Promise<StoreUnderTest>;

export const candidate: Candidate = { provider: 'openai', model: 'gpt-4o', worstCaseNanoUsd: '1000' };

export const plan: RoutePlan = {
  decisionId: 'decision-1',
  requestRef: 'p_request',
  candidates: [candidate],
  first: { credential: 'openai' },
  retries: { maxAttempts: 3, initialBackoffMs: 10, maxBackoffMs: 100, maxRetryAfterMs: 1000 },
  timeouts: { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 },
  onUnknown: 'recover',
};

export const allowed: Admission = { allowed: true, plan };

export function budget(change: Partial<BudgetSpec> = {}): BudgetSpec {
  return { scope: 'tenant:acme', period: 'month', limitNanoUsd: 10_000n, hard: true, alertAt: [], ...change };
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

export function acceptInput(id: string, change: Partial<AcceptInput> = {}): AcceptInput {
  return {
    subject: change.call?.tags?.['user'] || null,
    callIdFor: (generation) => `${id}-g${String(generation)}`,
    call: { kind: 'chat', model: 'smart', principal: { tenant: 'acme', key: 'app', models: null } },
    requestBytes: bytes(`request of ${id}`),
    idempotency: null,
    repeat: null,
    admission: null,
    payloadTtlMs: DAY_MS,
    ...change,
  };
}

/** For `ensureCall`: what a caller without a door sends. */
export function inlineRequest(text: string): Pick<AcceptInput, 'subject' | 'requestBytes' | 'payloadTtlMs'> {
  return { subject: null, requestBytes: bytes(text), payloadTtlMs: DAY_MS };
}

export function openInput(callId: string, change: Partial<OpenAttemptInput> = {}): OpenAttemptInput {
  return {
    callId,
    order: 1,
    candidate,
    credential: 'openai@1',
    worstCaseNanoUsd: 1000n,
    budgets: [budget()],
    owner: 'host:1:0',
    ...change,
  };
}

export function charge(costNanoUsd: bigint | null, change: Partial<AttemptCharge> = {}): AttemptCharge {
  return {
    usage: {
      inputTokens: 10,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 5,
      reasoningTokens: 0,
      inputAudioTokens: 0,
      outputAudioTokens: 0,
    },
    rawUsage: { prompt_tokens: 10 },
    costNanoUsd,
    pricing: costNanoUsd === null ? 'unpriced' : 'priced',
    catalogue: 'test@1',
    serviceTier: null,
    ...change,
  };
}

export function answerOf(lease: AttemptLease, costNanoUsd: bigint | null = 400n): RecordAnswerInput {
  return {
    lease,
    by: 'host:1:0',
    answerBytes: bytes(`answer of ${lease.callId}`),
    payloadTtlMs: DAY_MS,
    charge: charge(costNanoUsd),
    responseId: 'resp-1',
    answeredModel: 'gpt-4o-2024-08-06',
    firstTokenAt: START + 5,
  };
}

export function failureOf(
  lease: AttemptLease,
  code: ErrorCode = 'provider_unavailable',
  cost: AttemptCharge | null = null,
): RecordFailureInput {
  const error = { code, message: 'it failed', source: 'provider' as const };
  return {
    lease,
    failure: { error, retryable: true, failOver: true, delivered: false },
    charge: cost,
    firstTokenAt: null,
  };
}

export function success(callId: string, answerRef: string | null = null): Settlement {
  return { callId, outcome: 'succeeded', answerRef, error: null };
}

export function failure(callId: string, code: ErrorCode): Settlement {
  return { callId, outcome: 'failed', answerRef: null, error: { code, message: 'it failed', source: 'gateway' } };
}

/** Accepts a call without a key and gives its id. */
export async function accepted(ledger: Ledger, id: string): Promise<string> {
  const result = await ledger.accept(acceptInput(id));
  if (result.status !== 'accepted') throw new Error(`not accepted: ${result.status}`);
  return result.input.callId;
}

/** Accepts and admits a call: attempt 1 is reserved with its hold. */
export async function admitted(
  ledger: Ledger,
  id: string,
  budgets: readonly BudgetSpec[] = [budget()],
): Promise<string> {
  const callId = await accepted(ledger, id);
  await ledger.admit({ callId, admission: allowed, worstCaseNanoUsd: 1000n, budgets });
  return callId;
}

/** Opens an attempt that must be dispatched. */
export async function dispatched(ledger: Ledger, input: OpenAttemptInput): Promise<AttemptLease> {
  const opened = await ledger.openAttempt(input);
  if (opened.status !== 'dispatched') throw new Error(`not dispatched: ${opened.status}`);
  return opened.lease;
}

export async function sums(ledger: Ledger, spec: BudgetSpec = budget()): Promise<{ held: string; spent: string }> {
  const [status] = await ledger.budgetStatus([spec]);
  return { held: status?.heldNanoUsd ?? '', spent: status?.spentNanoUsd ?? '' };
}
