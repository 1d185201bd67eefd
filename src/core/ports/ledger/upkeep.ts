/** What operators and the sweep do with a ledger as a whole. */
import type { JsonObject } from '../../json.ts';

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

/** Events that were written with what they tell of, until they are acknowledged. */
export interface Outbox {
  takeOutbox(limit: number): Promise<OutboxEvent[]>;
  ackOutbox(ids: readonly number[]): Promise<void>;
}

/** Erasure, retention, copies, and the tie to one engine. */
export interface LedgerUpkeep {
  /**
   * Destroys the data keys of a tenant or a subject, and clears what they sealed. Rows, figures and costs stay.
   * @throws HoldfastError `invalid_request` while calls of it are open, `not_found` when no call was ever of it; nothing is
   *   erased then.
   */
  erase(input: EraseInput): Promise<Erasure>;
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
