/** An attempt from its hold to what it cost. */
import type { Candidate, Pricing } from '../../call/types.ts';
import type { ErrorRecord } from '../../errors.ts';
import type { JsonObject } from '../../json.ts';
import type { NanoUsd } from '../../money.ts';
import type { Usage } from '../../usage.ts';
import type { BudgetSpec } from './budgets.ts';
import type { CallView } from './views.ts';

export interface OpenAttemptInput {
  callId: string;
  /** The workflow's own count of executions from 1. A retried activity comes with the same one. */
  order: number;
  candidate: Candidate;
  /** `name@version`, or null. */
  credential: string | null;
  worstCaseNanoUsd: NanoUsd | null;
  budgets: readonly BudgetSpec[];
  /**
   * Names who will send the bytes, such as `host:pid:start/uuid`; new for each sender. The same one that comes again, because
   * the answer to its first try was lost, gets its lease once more.
   */
  owner: string;
  /** A lost attempt with a response id is `interrupted` as long as nobody reported it, instead of making room for a new one. */
  asksFirst?: boolean;
}

/** A writer's right to an attempt. Once the row has a higher epoch, nothing more can be written with this one. */
export interface AttemptLease {
  callId: string;
  attempt: number;
  epoch: number;
}

export interface RecordedFailure {
  error: ErrorRecord;
  retryable: boolean;
  failOver: boolean;
  delivered: boolean;
  /** The call's deadline has passed. */
  late?: true;
}

export type OpenAttemptResult =
  /** The row says `dispatched` and the hold stands: bytes may leave. */
  | { status: 'dispatched'; lease: AttemptLease }
  /** This order was answered before, and the call ended with it. */
  | { status: 'answered'; attempt: number; call: CallView }
  /** This order failed before. */
  | { status: 'failed'; attempt: number; failure: RecordedFailure }
  /**
   * This order was dispatched before and nothing more is known. Join it if it lives here, else fence it. `delivered`
   * means that it was marked streaming; `isFenced` that it was taken from its sender already, and the lease is the taker's.
   */
  | { status: 'interrupted'; lease: AttemptLease; responseId: string | null; delivered: boolean; isFenced?: true }
  /** A hard budget has no room; nothing was written but the refusal, which a repeat of this order gets again. */
  | { status: 'refused'; error: ErrorRecord }
  /** The call has ended; nothing may leave any more. */
  | { status: 'ended' };

/** How an order's latest attempt stands, for whoever has not opened it. */
export type AttemptReview = Exclude<OpenAttemptResult, { status: 'dispatched' }>;

export interface AttemptCharge {
  usage: Usage | null;
  rawUsage: JsonObject | null;
  /** Null when no price is known. */
  costNanoUsd: NanoUsd | null;
  /** What our own price list gives, beside a cost that the provider reported. */
  computedNanoUsd?: NanoUsd | null;
  pricing: Pricing;
  /** Version of the price catalogue that the cost was made with. */
  catalogue: string | null;
  serviceTier: string | null;
}

export interface RecordAnswerInput {
  lease: AttemptLease;
  /** The process that records it. A client at its own door has the answer with that; at another's it is still owed. */
  by: string;
  /** The stored answer (see activities): encrypted by content in the same transaction. */
  answerBytes: Uint8Array;
  payloadTtlMs: number;
  charge: AttemptCharge;
  responseId: string | null;
  answeredModel: string | null;
  firstTokenAt: number | null;
}

export interface RecordFailureInput {
  lease: AttemptLease;
  failure: RecordedFailure;
  /** The provider may have billed it: without a charge the attempt becomes `unknown` and keeps its hold. Default false. */
  outcomeUnknown?: boolean;
  /** What the attempt cost all the same, such as a stream that broke off; null releases the whole hold. */
  charge: AttemptCharge | null;
  firstTokenAt: number | null;
}

/**
 * The lease was fenced or the call has ended: the writer must drop what it has. A report that comes after the end still
 * corrects the money (the attempt becomes `reconciled`), unless it was fenced.
 */
export interface NotWritten {
  written: false;
  reason: 'fenced' | 'ended';
}

export type WriteResult = { written: true } | NotWritten;

/** An `unknown` attempt of an ended call of which the provider may still be asked. */
export interface UnknownAttempt {
  lease: AttemptLease;
  tenant: string;
  provider: string;
  model: string;
  responseId: string;
  requestRef: string | null;
  startedAt: number;
}

/** One request to a provider at a time: its lease, its outcome, and what becomes of it when nobody knows the outcome. */
export interface AttemptLedger {
  openAttempt(input: OpenAttemptInput): Promise<OpenAttemptResult>;
  /** The same look without taking anything; an `unknown` attempt that nobody reported is `interrupted`. Null when there is none. */
  reviewAttempt(callId: string, order: number): Promise<AttemptReview | null>;
  markStreaming(lease: AttemptLease, responseId: string | null): Promise<WriteResult>;
  /**
   * Takes the attempt from whoever had it: marks it `unknown`, keeps its hold, raises the epoch. Gives the taker's own
   * lease, with which a recovered answer or failure can be recorded; null when there was nothing left to take.
   */
  fence(lease: AttemptLease, reason: string): Promise<AttemptLease | null>;
  /** Stores the answer and ends the call as succeeded with it, in one: there is no answer without its end, nor the reverse. */
  recordAnswer(input: RecordAnswerInput): Promise<{ written: true; call: CallView } | NotWritten>;
  /** With code `outcome_unknown` and no charge the attempt becomes `unknown` and keeps its hold. */
  recordFailure(input: RecordFailureInput): Promise<WriteResult>;
  /** `unknown` attempts of ended calls that have a response id, oldest first, from this start time on. */
  unknownAttempts(startedFrom: number, limit: number): Promise<UnknownAttempt[]>;
  /** Books what an `unknown` attempt of an ended call cost; null for nothing. False when it is not unknown any more. */
  reconcileUnknown(lease: AttemptLease, charge: AttemptCharge | null): Promise<boolean>;
  /** Books an `unknown` attempt of which nobody will ever know at its hold. False when it is not unknown any more. */
  abandonAttempt(callId: string, attempt: number): Promise<boolean>;
  /** Books `unknown` attempts older than this at their hold as `estimated`, so that no hold stands for ever. */
  abandonUnknown(startedBefore: number): Promise<number>;
}
