/** A call from its acceptance to its end. */
import type { Admission, CallInput, Settlement } from '../../call/types.ts';
import type { NanoUsd } from '../../money.ts';
import type { BudgetSpec } from './budgets.ts';
import type { CallState, CallView } from './views.ts';

export interface IdempotencyClaim {
  key: string;
  /** Of the canonical body without `stream`. */
  bodyHash: string;
  ttlMs: number;
}

export interface AdmitInput {
  callId: string;
  admission: Admission;
  /** The worst case of the first attempt; null when no price is known. Ignored for a denial. */
  worstCaseNanoUsd: NanoUsd | null;
  budgets: readonly BudgetSpec[];
}

/** How a request without a key is known when its SDK repeats it, and who owes its client the answer. */
export interface RepeatMark {
  /** A keyed hash of the caller and of everything that it asks. */
  hash: string;
  /** The process at whose door the client waits. */
  door: string;
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

/** A call whose answer was given to nobody yet. */
export interface OwedCall {
  callId: string;
  /** Null when its client left and the call went on. */
  door: string | null;
  createdAt: number;
  /** Nothing of it has left: its start may have been lost. */
  isUnstarted: boolean;
}

export interface SettleOptions {
  /** Leaves a call alone of which anything left for a provider; the view then says how it stands. Default false. */
  unlessDispatched?: boolean;
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

/** Takes calls in, ends them, and lists them. */
export interface CallLedger {
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
  /** Ends the call without an answer: releases, outbox, in one. The first settlement stands; a repeat returns it. */
  settle(settlement: Settlement, options?: SettleOptions): Promise<CallView>;
  /** What a key stands for now, without claiming it: the call to attach to or replay, a conflict, or null for a new one. */
  lookUpKey(tenant: string, claim: IdempotencyClaim): Promise<Exclude<AcceptResult, { status: 'accepted' }> | null>;
  getCall(callId: string): Promise<CallView | null>;
  listCalls(filter: CallFilter): Promise<{ calls: CallView[]; next: string | null }>;
  /** Calls that have not ended, oldest first; `skip` passes over that many of them. */
  openCalls(createdBefore: number, limit: number, skip?: number): Promise<OpenCall[]>;
  /** Those of them of which no attempt was opened, in the same way. */
  unstartedCalls(createdBefore: number, limit: number, skip?: number): Promise<OpenCall[]>;
}

/** Answers that no client has been given yet. */
export interface OwedAnswers {
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
}
