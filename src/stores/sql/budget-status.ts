import type { Ledger } from '../../core/ports/ledger.ts';
import type { BudgetSpec, BudgetStatus } from '../../core/ports/ledger/budgets.ts';
import { budgetWindowAt } from './budget-window.ts';
import { createBudgetWindows } from './budget-windows.ts';
import type { SqlContext } from './context.ts';
import type { BudgetWindowsTable } from './schema.ts';

const LAST_CHARACTER = '\u{10ffff}';

export function createBudgetStatus(context: SqlContext): Pick<Ledger, 'budgetStatus' | 'budgetScopes'> {
  const windows = createBudgetWindows(context.db);
  return {
    budgetStatus: (budgets) =>
      context.read(async (tx) => {
        const statuses: BudgetStatus[] = [];
        for (const budget of budgets) {
          const { start, end } = budgetWindowAt(budget.period, context.now(), budget.timeZone);
          const key = { scope: budget.scope, period: budget.period, windowStart: start };
          statuses.push(budgetStatusOf(budget, await windows.find.first(tx, key), end));
        }
        return statuses;
      }),
    budgetScopes: (prefix, after, limit) =>
      context.read(async (tx) => {
        const first = after !== null && after > prefix ? after : prefix;
        const rows = await windows.scopes.all(tx, { after: first, before: `${prefix}${LAST_CHARACTER}`, limit });
        return rows.map(({ scope }) => scope);
      }),
  };
}

/** How a budget stands in a window, which has a row once anything was held or spent in it. */
export function budgetStatusOf(
  { scope, period, timeZone = 'UTC', limitNanoUsd }: BudgetSpec,
  window: Pick<BudgetWindowsTable, 'held_nano_usd' | 'spent_nano_usd'> | undefined,
  end: number | null,
): BudgetStatus {
  return {
    scope,
    period,
    timeZone,
    limitNanoUsd: limitNanoUsd.toString(),
    heldNanoUsd: (window?.held_nano_usd ?? 0n).toString(),
    spentNanoUsd: (window?.spent_nano_usd ?? 0n).toString(),
    resetsAt: end === null ? null : new Date(end).toISOString(),
  };
}
