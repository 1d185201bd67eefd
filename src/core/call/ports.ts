import type {
  Admission,
  AttemptOrder,
  AttemptOutcome,
  CallInput,
  CallResult,
  Candidate,
  CredentialChoice,
  EndedAttempt,
  Settlement,
} from './types.ts';

/**
 * What a call needs from the world. `llmCall` binds these to Temporal activities and timers; a batch item binds them
 * to plain functions. Every port but `settle` may throw `CallInterruptedError` when the call is cancelled or late, and
 * any of them may throw `HoldfastError`; anything else thrown is a defect and is passed on.
 */
export interface CallPorts {
  admit(input: CallInput): Promise<Admission>;
  selectCredential(callId: string, candidate: Candidate): Promise<CredentialChoice>;
  /** Keeps the order's deadline, and settles the call in the transaction that records an answer. */
  execute(order: AttemptOrder, summary: string): Promise<AttemptOutcome>;
  /** Asks the provider for the answer of an order that is pending. */
  collect(order: AttemptOrder): Promise<AttemptOutcome>;
  /** Ends a pending order at the provider, and books what it cost. Runs to its end whatever happens to the call. */
  withdraw(order: AttemptOrder, reason: CallInterruptedError['reason']): Promise<EndedAttempt>;
  /** For every end but an answer. Runs to its end whatever happens to the call. */
  settle(settlement: Settlement): Promise<CallResult>;
  sleep(ms: number, summary: string): Promise<void>;
  /** Unix milliseconds; deterministic where the call is replayed. */
  now(): number;
  /** In [0, 1); deterministic where the call is replayed. */
  random(): number;
}

/** The call must stop: its caller cancelled it, or its deadline passed. */
export class CallInterruptedError extends Error {
  readonly reason: 'cancelled' | 'deadline';

  constructor(reason: 'cancelled' | 'deadline') {
    super(`the call was interrupted: ${reason}`);
    this.name = 'CallInterruptedError';
    this.reason = reason;
  }
}
