/** Budgets as they are configured and as they stand. */
import type { NanoUsd, NanoUsdString } from '../../money.ts';

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

/** How full the windows of budgets are. */
export interface BudgetLedger {
  budgetStatus(budgets: readonly BudgetSpec[]): Promise<BudgetStatus[]>;
  /** Scopes that begin so and have windows, in the order of their names, from after the one given. */
  budgetScopes(prefix: string, after: string | null, limit: number): Promise<string[]>;
}
