/** What a campaign is run against: something in front of a provider that can be killed and started again. */
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import type { FaultPlan } from './plan.ts';

export interface Hit {
  /** When the signal was sent. */
  at: number;
  /** When the process was started again. */
  restartedAt: number;
  /** How many SIGKILLs it took. */
  kills: number;
  /** From the loss of the Temporal server to the exit of the node that lived on; null where there was none. */
  noticedAfterMs: number | null;
}

export interface Money {
  heldNanoUsd: bigint;
  /** Of the round's hard budget. */
  tightSpentNanoUsd: bigint;
}

export interface Target {
  /** Of its nodes: a client that got no answer from one asks the next. */
  readonly urls: readonly string[];
  start(): Promise<void>;
  /** Does it, and starts again what is gone, as a supervisor would. Resolves when calls are accepted again. */
  hit(fault: FaultPlan): Promise<Hit>;
  stop(): Promise<void>;
  /** SIGKILL to everything, for a campaign that ends early. */
  abandon(): void;
  /** The ledger's calls whose tag `nonce` begins so; null where there is no ledger. */
  callsOf(prefix: string): Promise<CallView[] | null>;
  /** What anyone who holds its id can read of a call; null when no one knows it. */
  callById(id: string): Promise<CallView | null>;
  /** Calls that have not ended. */
  openCalls(): Promise<number>;
  money(round: number): Promise<Money | null>;
  /** Books the attempts whose outcome nobody will ever know, as the sweep does after a day. */
  abandonUnknown(): Promise<void>;
  keyOf(tenant: 'open' | 'tight', round: number): string;
}
