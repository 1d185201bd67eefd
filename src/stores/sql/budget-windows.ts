/** The sums of each budget window. They only move together with hold rows (holds.ts). */
import type { BudgetPeriod, BudgetSpec } from '../../core/ports/ledger/budgets.ts';
import { prepare } from './prepared.ts';
import type { Database } from './schema.ts';

export interface WindowKey {
  scope: string;
  period: BudgetPeriod;
  windowStart: number;
}

/** The order in which every transaction locks windows, or two of them could wait on each other. */
export function inLockOrder(a: WindowKey, b: WindowKey): number {
  const [left, right] = [windowId(a), windowId(b)];
  return left === right ? 0 : left < right ? -1 : 1;
}

export function windowId({ scope, period, windowStart }: WindowKey): string {
  return `${scope}\0${period}\0${String(windowStart)}`;
}

/** One budget's thresholds, kept with the window because settling does not know the budgets. */
export interface WatchedBudget {
  limitNanoUsd: string;
  alertAt: number[];
}

export function createBudgetWindows(db: Database) {
  return {
    /** Makes the window if it is missing, locks it where the database has row locks, and reads it. */
    touch: prepare((p: WindowKey & { watch: string }) =>
      db
        .insertInto('budget_windows')
        .values({
          scope: p.scope,
          period: p.period,
          window_start: p.windowStart,
          held_nano_usd: 0n,
          spent_nano_usd: 0n,
          watch: p.watch,
          alerted: '[]',
        })
        .onConflict((conflict) => conflict.columns(['scope', 'period', 'window_start']).doUpdateSet({ watch: p.watch }))
        .returningAll(),
    ),
    scopes: prepare((p: { after: string; before: string; limit: number }) =>
      db
        .selectFrom('budget_windows')
        .select('scope')
        .distinct()
        .where('scope', '>', p.after)
        .where('scope', '<', p.before)
        .orderBy('scope')
        .limit(p.limit),
    ),
    find: prepare((p: WindowKey) =>
      db
        .selectFrom('budget_windows')
        .selectAll()
        .where('scope', '=', p.scope)
        .where('period', '=', p.period)
        .where('window_start', '=', p.windowStart),
    ),
    move: prepare((p: WindowKey & { heldDelta: bigint; spentDelta: bigint }) =>
      db
        .updateTable('budget_windows')
        .set((eb) => ({
          held_nano_usd: eb('held_nano_usd', '+', p.heldDelta),
          spent_nano_usd: eb('spent_nano_usd', '+', p.spentDelta),
        }))
        .where('scope', '=', p.scope)
        .where('period', '=', p.period)
        .where('window_start', '=', p.windowStart),
    ),
    setAlerted: prepare((p: WindowKey & { alerted: string }) =>
      db
        .updateTable('budget_windows')
        .set({ alerted: p.alerted })
        .where('scope', '=', p.scope)
        .where('period', '=', p.period)
        .where('window_start', '=', p.windowStart),
    ),
  };
}

/** The thresholds of all budgets that count in one window. */
export function watchedBudgets(budgets: readonly BudgetSpec[]): string {
  const watched: WatchedBudget[] = budgets
    .filter((budget) => budget.alertAt.length > 0)
    .map((budget) => ({ limitNanoUsd: budget.limitNanoUsd.toString(), alertAt: [...budget.alertAt] }));
  return JSON.stringify(watched);
}
