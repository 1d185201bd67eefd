/** The activities as workflows see them: names and plain-JSON shapes, nothing that runs. */
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
} from '../core/call/types.ts';
import type { SweepReport } from '../ledger/sweep.ts';

export type { SweepReport };

/** Local activities: they finish in milliseconds, are idempotent by call id, and put only their result into history. */
export interface CallSteps {
  /** Governance check, route plan, hold of the first attempt. A repeat returns the stored decision. */
  admit(input: CallInput): Promise<Admission>;
  /** The name of the credential for a candidate; never the secret, never a version. */
  selectCredential(callId: string, candidate: Candidate): Promise<CredentialChoice>;
  /** Stops the call's attempt where it runs in this process; elsewhere the engine's own cancel reaches it, seconds later. */
  stopAttempt(callId: string): Promise<void>;
  /** Asks the provider for the answer of a pending order. A question: asked again after a crash, it pays for nothing twice. */
  collectAnswer(order: AttemptOrder): Promise<AttemptOutcome>;
  /** Has the provider stop a pending order, and books what it cost. */
  withdrawAttempt(order: AttemptOrder, reason: 'cancelled' | 'deadline'): Promise<EndedAttempt>;
  /** Ends a call that has no answer in the ledger, and tells whoever waits. The first settlement stands. */
  settle(settlement: Settlement, input: CallInput): Promise<CallResult>;
}

/** The provider call: a regular activity, because a local one would run, and be billed, again after a crash. */
export interface ProviderActivities {
  executeProvider(order: AttemptOrder): Promise<AttemptOutcome>;
}

export interface MaintenanceActivities {
  sweep(): Promise<SweepReport>;
}
