/**
 * The tables of the ledger as Kysely sees them. Columns that end in `_nano_usd` are bigint; every other integer is a
 * JavaScript number. Times are Unix milliseconds. Columns that hold JSON text are noted as such.
 */
import type { Generated, Kysely, Transaction } from 'kysely';
import type { CallKind, CallOutcome, Pricing } from '../../core/call/types.ts';
import type { BudgetPeriod } from '../../core/ports/ledger/budgets.ts';
import type { AttemptState, CallState } from '../../core/ports/ledger/views.ts';

export interface CallsTable {
  id: string;
  tenant: string;
  key_name: string | null;
  /** JSON: the models the key may name; null means all. */
  key_models: string | null;
  kind: CallKind;
  model: string;
  state: CallState;
  outcome: CallOutcome | null;
  created_at: number;
  ended_at: number | null;
  cost_nano_usd: bigint;
  pricing: Pricing;
  /** JSON: ErrorRecord. */
  error: string | null;
  /** JSON: object of strings; null when the caller gave none. */
  tags: string | null;
  /** The handle of the subject, see `own-keys.ts`; null for a call without one. */
  subject: string | null;
  /** When its content was erased; null while it is there. */
  erased_at: number | null;
  request_ref: string | null;
  answer_ref: string | null;
  /** JSON: Admission. */
  admission: string | null;
  /** `RepeatMark`: whose client waits; null while it has no client. */
  door: string | null;
  /** Null for a call with a key, and once its answer was given. */
  repeat_hash: string | null;
}

export interface AttemptsTable {
  call_id: string;
  n: number;
  order_no: number;
  epoch: number;
  owner: string | null;
  state: AttemptState;
  provider: string;
  model: string;
  credential: string | null;
  worst_case_nano_usd: bigint | null;
  started_at: number;
  first_token_at: number | null;
  ended_at: number | null;
  response_id: string | null;
  answered_model: string | null;
  answer_ref: string | null;
  error_code: string | null;
  /** JSON: RecordedFailure. */
  failure: string | null;
  /** Why another took the attempt from its writer, or what ended the call under it. */
  unknown_reason: string | null;
  /** JSON: Usage. */
  usage: string | null;
  /** JSON: the provider's own usage object. */
  raw_usage: string | null;
  cost_nano_usd: bigint | null;
  /** Our own price, beside a cost that the provider reported. */
  computed_nano_usd: bigint | null;
  pricing: Pricing;
  catalogue: string | null;
  service_tier: string | null;
}

/** What one attempt holds and has spent in one window. A window's sums are the sums over these rows. */
export interface HoldsTable {
  call_id: string;
  n: number;
  scope: string;
  period: BudgetPeriod;
  window_start: number;
  held_nano_usd: bigint;
  spent_nano_usd: bigint;
}

export interface BudgetWindowsTable {
  scope: string;
  period: BudgetPeriod;
  window_start: number;
  held_nano_usd: bigint;
  spent_nano_usd: bigint;
  /** JSON: the thresholds to report, as seen by the last hold: settling does not know the budgets. */
  watch: string;
  /** JSON: the thresholds already reported. */
  alerted: string;
}

export interface IdempotencyTable {
  tenant: string;
  idem_key: string;
  call_id: string;
  body_hash: string;
  generation: number;
  expires_at: number;
}

export interface PayloadsTable {
  ref: string;
  tenant: string;
  /** Null only within the transaction that finds its key gone. */
  key_id: string | null;
  sealed: Uint8Array;
  expires_at: number;
}

/** Keys that the ledger keeps, wrapped by the master key. */
export interface DataKeysTable {
  id: string;
  /** `payloads` of a tenant or a subject; the others are the ledger's own, with an empty tenant. Of `histories` only those of former master keys. */
  purpose: 'payloads' | 'fingerprints' | 'subjects' | 'histories';
  tenant: string;
  /** The handle of a subject, or empty. */
  subject: string;
  /** Empty once destroyed. */
  wrapped: Uint8Array;
  state: DataKeyState;
  created_at: number;
  /** When it was retired or destroyed, and by whom. */
  ended_at: number | null;
  ended_by: string | null;
}

/** An erasure whose keys are destroyed, and of which something is still to be cleared. */
export interface ErasuresTable {
  id: string;
  tenant: string | null;
  /** The handle; null for all of the tenant. */
  subject: string | null;
  at: number;
  /** No call of it was accepted later. */
  up_to: number;
}

/** `retired`: opens what it sealed, and seals no more. */
export type DataKeyState = 'active' | 'retired' | 'destroyed';

export interface MasterKeyTable {
  fingerprint: string;
}

export interface VirtualKeysTable {
  name: string;
  tenant: string;
  team: string | null;
  hash: string;
  /** JSON: array of strings; null means all. */
  models: string | null;
  /** JSON: array of strings. */
  roles: string;
  created_at: number;
  /** ISO time. */
  expires_at: string | null;
  revoked_at: number | null;
}

export interface AuditTable {
  seq: number;
  /** ISO time, as hashed. */
  at: string;
  actor: string;
  action: string;
  subject: string;
  /** Canonical JSON, as hashed. */
  details: string;
  previous_hash: string;
  hash: string;
}

export interface OutboxTable {
  id: Generated<number>;
  type: string;
  at: number;
  /** JSON. */
  body: string;
}

export interface Tables {
  calls: CallsTable;
  attempts: AttemptsTable;
  holds: HoldsTable;
  budget_windows: BudgetWindowsTable;
  idempotency: IdempotencyTable;
  payloads: PayloadsTable;
  data_keys: DataKeysTable;
  erasures: ErasuresTable;
  master_key: MasterKeyTable;
  virtual_keys: VirtualKeysTable;
  audit: AuditTable;
  outbox: OutboxTable;
  engine: { id: number; name: string };
}

export type Database = Kysely<Tables>;
export type Tx = Transaction<Tables>;
