/** What the ledger tells of a call and of its attempts. */
import type { CallKind, CallOutcome, Pricing } from '../../call/types.ts';
import type { ErrorRecord } from '../../errors.ts';
import type { NanoUsdString } from '../../money.ts';
import type { Usage } from '../../usage.ts';

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
