/** The call as data: what goes into the workflow, what the steps give each other. All of it is plain JSON for history. */
import type { ErrorCode, ErrorRecord } from '../errors.ts';
import type { NanoUsdString } from '../money.ts';
import type { CallRequest } from '../ports/provider.ts';

export type CallKind = 'chat' | 'embedding';

/** What is known of the caller. Ids only: no secret, no prompt. */
export interface Principal {
  tenant: string;
  /** Name of the virtual key; null when the door runs without authentication. */
  key: string | null;
  /** Models the key may name; null means all. */
  models: string[] | null;
  /** The key's team within the tenant. */
  team?: string;
}

export interface CallInput {
  callId: string;
  kind: CallKind;
  /** The alias or `provider/model` that the caller named. */
  model: string;
  principal: Principal;
  /** The content hash of the stored request. Null when the request is `inline`. */
  requestRef: string | null;
  /** Trusted Temporal callers only: the request itself. It stands in their history by their choice. */
  inline?: CallRequest;
  tags?: Record<string, string>;
  /** The caller takes an `attempt-rollback` in its stream: text that it got does not bar another attempt. */
  takesRollbacks?: boolean;
  /** `background`: only where the provider does the work on its own and keeps the answer under an id. Default: by the route. */
  mode?: CallMode;
  /** The door's decision, stored with the acceptance. Without it the call's first step is to be admitted. */
  admission?: Admission;
}

export type CallMode = 'background';

export type OnUnknown = 'recover' | 'retry' | 'fail';

export interface Candidate {
  /** Name of the provider in the configuration. */
  provider: string;
  /** The provider's own model name. */
  model: string;
  /** What an attempt here may cost at most; null when no price or no bound is known. */
  worstCaseNanoUsd: NanoUsdString | null;
  /** The provider works in the background: it is asked for the answer until it has it. */
  background?: true;
}

/** `name@version` once resolved; selection gives the name only, never a version, never the secret. */
export interface CredentialChoice {
  /** Null for providers that need no credential. */
  credential: string | null;
}

export interface RetryPolicy {
  /** Tries on one candidate before the next candidate's turn. */
  maxAttempts: number;
  /** First wait between attempts on one candidate; doubles each time, with jitter. */
  initialBackoffMs: number;
  maxBackoffMs: number;
  /** A Retry-After beyond this fails over instead of waiting. */
  maxRetryAfterMs: number;
}

export interface CallTimeouts {
  connectMs: number;
  firstTokenMs: number;
  idleMs: number;
  totalMs: number;
}

export interface RoutePlan {
  decisionId: string;
  /** The content hash of the stored request. */
  requestRef: string;
  candidates: Candidate[];
  /** The credential of the first candidate, chosen with the admission to save a step. */
  first: CredentialChoice;
  retries: RetryPolicy;
  timeouts: CallTimeouts;
  onUnknown: OnUnknown;
  /** The caller takes rollbacks of its stream. */
  restartsStreams?: boolean;
  /** The team and the user that pay beside tenant and key. */
  team?: string;
  user?: string;
}

export type Admission = { allowed: true; plan: RoutePlan } | { allowed: false; decisionId: string; error: ErrorRecord };

export interface AttemptOrder {
  callId: string;
  tenant: string;
  key: string | null;
  team?: string;
  user?: string;
  requestRef: string;
  /** Counts the executions that the call asked for, from 1. A crash may make several attempts of one order. */
  order: number;
  candidate: Candidate;
  credential: string | null;
  timeouts: CallTimeouts;
  /** When the call's total time is over, in Unix milliseconds. Nothing is sent after it, nothing waited for beyond it. */
  deadlineAt: number;
  onUnknown: OnUnknown;
}

/** How an attempt ended, as the workflow needs to know it. */
export type AttemptOutcome =
  /** The provider has the request and keeps the answer under an id that the ledger knows: to be collected later. */
  { status: 'pending'; attempt: number } | EndedAttempt;

export type EndedAttempt =
  /** The answer is recorded, and the call has ended with it in the same transaction. */
  | { status: 'answered'; attempt: number; result: CallResult }
  | {
      status: 'failed';
      attempt: number;
      error: ErrorRecord;
      /** The same candidate may be tried again. */
      retryable: boolean;
      /** Another candidate may do better. */
      failOver: boolean;
      /** Frames of this attempt reached the caller: no other attempt may follow in silence. */
      delivered: boolean;
      /** The call's deadline has passed: the call ends with this. */
      late?: true;
    };

export type CallOutcome = 'succeeded' | 'failed' | 'denied' | 'cancelled' | 'timed_out';

/** One line of the story of a failed call: in the error's details, and in the Temporal UI. */
export type AttemptSummary = { attempt: number; candidate: string; code: ErrorCode };

/** What settle is told, and what ends in the ledger. */
export interface Settlement {
  callId: string;
  outcome: CallOutcome;
  answerRef: string | null;
  error: ErrorRecord | null;
}

/** The workflow's result: references and figures, never content. */
export interface CallResult {
  callId: string;
  outcome: CallOutcome;
  answerRef: string | null;
  error: ErrorRecord | null;
  provider: string | null;
  model: string | null;
  attempts: number;
  costNanoUsd: NanoUsdString;
  pricing: Pricing;
}

/** `priced`: from the provider's own counts. `estimated`: from ours. `unpriced`: no price is known for some attempt. */
export type Pricing = 'priced' | 'estimated' | 'unpriced';
