/**
 * The ledger: what was accepted, what left for a provider, what it cost. Every method is one transaction and may be
 * repeated with the same arguments without a second effect. Times are Unix milliseconds.
 */
import type { Admission, CallInput, CallKind, CallOutcome, Candidate, Pricing, Settlement } from '../call/types.ts';
import type { ErrorRecord } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { NanoUsd, NanoUsdString } from '../money.ts';
import type { Usage } from '../usage.ts';

export type CallState = 'accepted' | 'admitted' | 'running' | 'ended';

export const ATTEMPT_STATES = [
  'reserved',
  'dispatched',
  'streaming',
  'settled',
  'failed',
  'unknown',
  'reconciled',
  'abandoned',
] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

export type BudgetPeriod = 'hour' | 'day' | 'week' | 'month' | 'total';

/** A budget as configured. Windows begin by the clock of its time zone (weeks on Monday); `total` never resets. */
export interface BudgetSpec {
  /** `tenant:acme`, `team:acme/blue`, `user:acme/alice`, `key:acme-app`. */
  scope: string;
  period: BudgetPeriod;
  /** IANA name. Default `UTC`. */
  timeZone?: string;
  limitNanoUsd: NanoUsd;
  /** A hard budget refuses; a soft one only reports and alerts. */
  hard: boolean;
  /** Shares of the limit, such as 0.8, at which an alert event goes to the outbox once per window. */
  alertAt: readonly number[];
}

export interface BudgetStatus {
  scope: string;
  period: BudgetPeriod;
  timeZone: string;
  limitNanoUsd: NanoUsdString;
  heldNanoUsd: NanoUsdString;
  spentNanoUsd: NanoUsdString;
  /** ISO time; null for `total`. */
  resetsAt: string | null;
}

export interface IdempotencyClaim {
  key: string;
  /** Of the canonical body without `stream`. */
  bodyHash: string;
  ttlMs: number;
}

/** How a request without a key is known when its SDK repeats it, and who owes its client the answer. */
export interface RepeatMark {
  /** A keyed hash of the caller and of everything that it asks. */
  hash: string;
  /** The process at whose door the client waits. */
  door: string;
}

/** A call whose answer was given to nobody yet. */
export interface OwedCall {
  callId: string;
  /** Null when its client left and the call went on. */
  door: string | null;
  createdAt: number;
  /** Nothing of it has left: its start may have been lost. */
  isUnstarted: boolean;
}

export interface AcceptInput {
  /** The id to use; with a claim it depends on the generation that the ledger finds. */
  callIdFor(generation: number): string;
  /** `callId` and `requestRef` in it are filled in by the ledger. */
  call: Omit<CallInput, 'callId' | 'requestRef'>;
  /** Whom it is about, as it was sent (see `subjectOf`): only a keyed hash is stored. Null for nobody. */
  subject: string | null;
  /** The request as bytes; stored encrypted by content in the same transaction. */
  requestBytes: Uint8Array;
  idempotency: IdempotencyClaim | null;
  /** Null for a call that is not to be found by a repeat. Not beside a claim, which finds it better. */
  repeat: RepeatMark | null;
  payloadTtlMs: number;
  /** The door's decision, stored as `admit` would in the same transaction. Null leaves it to the call's first step. */
  admission: Omit<AdmitInput, 'callId'> | null;
}

/** A call of before, for who comes back for it. */
export type Joined =
  /** Still running: wait for it. With an input nothing of it has left: its start may have been lost. */
  | { status: 'attached'; callId: string; unstarted?: CallInput }
  /** Ended with something that may be replayed. */
  | { status: 'replay'; callId: string };

export type AcceptResult =
  /** New: start the workflow with this input. */
  | { status: 'accepted'; input: CallInput }
  /** The same key and body. */
  | Joined
  /** The same key with another body. */
  | { status: 'conflict'; callId: string };

export interface AdmitInput {
  callId: string;
  admission: Admission;
  /** The worst case of the first attempt; null when no price is known. Ignored for a denial. */
  worstCaseNanoUsd: NanoUsd | null;
  budgets: readonly BudgetSpec[];
}

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

export interface AttemptView {
  n: number;
  order: number;
  provider: string;
  model: string;
  credential: string | null;
  state: AttemptState;
  errorCode?: string;
  startedAt: string;
  firstTokenAt?: string;
  endedAt?: string;
  usage: Usage | null;
  costNanoUsd: NanoUsdString;
  pricing: Pricing;
}

export interface CallView {
  id: string;
  tenant: string;
  kind: CallKind;
  model: string;
  state: CallState;
  outcome: CallOutcome | null;
  createdAt: string;
  endedAt: string | null;
  costNanoUsd: NanoUsdString;
  pricing: Pricing;
  error: ErrorRecord | null;
  key: string | null;
  tags: Record<string, string>;
  requestRef: string | null;
  answerRef: string | null;
  /** It succeeded without a key, and no door has given the answer yet. */
  isOwed?: true;
  /** When its content was erased; absent while it is there. */
  erasedAt?: string;
  attempts: AttemptView[];
}

/** Numbers of rows that were deleted. */
export interface Pruned {
  payloads: number;
  idempotency: number;
  calls: number;
  /** Sums of budget periods. */
  windows: number;
  /** Ids of open calls whose stored requests do not open any more; nothing was done about them. */
  damaged: string[];
}

export interface CallFilter {
  /** 1 to 1000. */
  limit: number;
  /** `next` of the page before. */
  after?: string;
  tenant?: string;
  state?: CallState;
}

export interface OpenCall {
  input: CallInput;
  state: CallState;
  createdAt: number;
  /** An idempotency key stands for it: its caller can come back for the answer. */
  isKeyed: boolean;
}

export interface VirtualKey {
  name: string;
  tenant: string;
  /** The tenant's team whose budgets and limits its calls meet; null for none. */
  team: string | null;
  /** `hk1:` and the hex of the SHA-256 of the key; the key itself is shown once and never stored. */
  hash: string;
  models: string[] | null;
  roles: string[];
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
}

export interface AuditEntry {
  seq: number;
  at: string;
  actor: string;
  action: string;
  subject: string;
  details: JsonObject;
  previousHash: string;
  hash: string;
}

export interface OutboxEvent {
  id: number;
  /** `call-end`, `budget-alert`, `attempt-unknown`. */
  type: string;
  at: number;
  body: JsonObject;
}

export interface EraseInput {
  /** Null: of all tenants; then there must be a subject. */
  tenant: string | null;
  /** As calls sent it: the tag `user`, or the request's own field where there is no such tag. Null: everything of the tenant. */
  subject: string | null;
  /** Who erases, for the audit log. */
  actor: string;
}

export interface Erasure {
  tenant: string | null;
  /** The handle that stands for the subject; null for a whole tenant. */
  subject: string | null;
  /** Data keys destroyed. */
  keys: number;
  /** Calls whose content is gone. Their rows, attempts and cost stay. */
  calls: number;
  /** Payloads deleted. */
  payloads: number;
  /** False while other transactions have rows of it in hand: the next pruning clears those. Nobody can read them. */
  isDone: boolean;
  /**
   * What the storage may still hold of old versions of rows. `overwritten`: nothing. `until-checkpoint`: another process
   * read the file's log, which is emptied by a later checkpoint. `until-vacuum`: the server's log and dead rows.
   */
  oldBytes: 'overwritten' | 'until-checkpoint' | 'until-vacuum';
}

export interface SettleOptions {
  /** Leaves a call alone of which anything left for a provider; the view then says how it stands. Default false. */
  unlessDispatched?: boolean;
}

export interface Ledger {
  accept(input: AcceptInput): Promise<AcceptResult>;
  /** For calls that came without a door: makes the row of a call that a trusted caller started inline, if it is missing. */
  ensureCall(
    input: CallInput,
    request: Pick<AcceptInput, 'subject' | 'requestBytes' | 'payloadTtlMs'>,
  ): Promise<CallInput>;
  /** The stored decision of an admission that ran before; null before the first. */
  storedAdmission(callId: string): Promise<Admission | null>;
  /** Stores the decision and, when allowed, reserves attempt 1 with its hold. A full hard budget turns it into a denial. */
  admit(input: AdmitInput): Promise<Admission>;
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
  /** Ends the call without an answer: releases, outbox, in one. The first settlement stands; a repeat returns it. */
  settle(settlement: Settlement, options?: SettleOptions): Promise<CallView>;
  /** What a key stands for now, without claiming it: the call to attach to or replay, a conflict, or null for a new one. */
  lookUpKey(tenant: string, claim: IdempotencyClaim): Promise<Exclude<AcceptResult, { status: 'accepted' }> | null>;
  /**
   * Calls whose answer is owed to a client with this request, oldest first: open ones, and those that succeeded at
   * `endedFrom` or later.
   */
  owedCalls(hash: string, endedFrom: number, limit: number): Promise<OwedCall[]>;
  /**
   * Makes `to` the door of a call that is owed at `from`: there it is owed until its answer is given, though it has ended.
   * Null when it is not owed at `from`, because another was first. Who repeats it after a success is not the first any more.
   */
  takeOwed(callId: string, from: string | null, to: string): Promise<Joined | null>;
  /** The client of this door left, and the call goes on: anyone may take it. */
  leaveOwed(callId: string, door: string): Promise<void>;
  /** This door gives the answer to its client now: nobody is to take it any more. */
  giveOwed(callId: string, door: string): Promise<void>;
  getCall(callId: string): Promise<CallView | null>;
  listCalls(filter: CallFilter): Promise<{ calls: CallView[]; next: string | null }>;
  /** Calls that have not ended, oldest first; `skip` passes over that many of them. */
  openCalls(createdBefore: number, limit: number, skip?: number): Promise<OpenCall[]>;
  /** Those of them of which no attempt was opened, in the same way. */
  unstartedCalls(createdBefore: number, limit: number, skip?: number): Promise<OpenCall[]>;
  /** `unknown` attempts of ended calls that have a response id, oldest first, from this start time on. */
  unknownAttempts(startedFrom: number, limit: number): Promise<UnknownAttempt[]>;
  /** Books what an `unknown` attempt of an ended call cost; null for nothing. False when it is not unknown any more. */
  reconcileUnknown(lease: AttemptLease, charge: AttemptCharge | null): Promise<boolean>;
  /** Books an `unknown` attempt of which nobody will ever know at its hold. False when it is not unknown any more. */
  abandonAttempt(callId: string, attempt: number): Promise<boolean>;
  /** Books `unknown` attempts older than this at their hold as `estimated`, so that no hold stands for ever. */
  abandonUnknown(startedBefore: number): Promise<number>;
  budgetStatus(budgets: readonly BudgetSpec[]): Promise<BudgetStatus[]>;
  /** Scopes that begin so and have windows, in the order of their names, from after the one given. */
  budgetScopes(prefix: string, after: string | null, limit: number): Promise<string[]>;

  createKey(key: Omit<VirtualKey, 'createdAt' | 'revokedAt'>): Promise<VirtualKey>;
  /** Expired and revoked keys too: the door judges them. */
  findKey(hash: string): Promise<VirtualKey | null>;
  /** The key of that name, whatever its state; null when the ledger has none. */
  keyNamed(name: string): Promise<VirtualKey | null>;
  listKeys(): Promise<VirtualKey[]>;
  revokeKey(name: string): Promise<VirtualKey | null>;

  appendAudit(entry: Pick<AuditEntry, 'actor' | 'action' | 'subject' | 'details'>): Promise<AuditEntry>;
  listAudit(afterSeq: number, limit: number): Promise<AuditEntry[]>;
  /** Walks the hash chain. `brokenAt` is the first entry that does not fit, or null. */
  verifyAudit(): Promise<{ entries: number; brokenAt: number | null }>;

  /**
   * Destroys the data keys of a tenant or a subject, and clears what they sealed. Rows, figures and costs stay.
   * @throws HoldfastError `invalid_request` while calls of it are open, `not_found` when no call was ever of it; nothing is
   *   erased then.
   */
  erase(input: EraseInput): Promise<Erasure>;

  takeOutbox(limit: number): Promise<OutboxEvent[]>;
  ackOutbox(ids: readonly number[]): Promise<void>;

  /**
   * Ties the ledger to an engine at the first call; gives the one that it is tied to. Two engines at one ledger would each
   * take the other's calls for lost.
   */
  claimEngine(engine: string): Promise<string>;
  /** Unties it; gives the engine that it was tied to, or null. */
  releaseEngine(): Promise<string | null>;
  /** Deletes expired payloads and idempotency rows, what an erasure left, and, beyond retention, ended calls and sums of budget periods. */
  prune(now: number, callRetentionMs: number): Promise<Pruned>;
  /** A copy as of one moment. An existing file is `invalid_request`, unless it is to be replaced. */
  backup(path: string, replace?: boolean): Promise<void>;
  close(): Promise<void>;
}
