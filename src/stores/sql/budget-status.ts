import type { Ledger } from '../../core/ports/ledger.ts';
import type { BudgetStatus } from '../../core/ports/ledger/budgets.ts';
import { budgetWindowAt } from './budget-window.ts';
import { createBudgetWindows } from './budget-windows.ts';
import type { SqlContext } from './context.ts';

const LAST_CHARACTER = '\u{10ffff}';

export function createBudgetStatus(context: SqlContext): Pick<Ledger, 'budgetStatus' | 'budgetScopes'> {
  const windows = createBudgetWindows(context.db);
  return {
    budgetStatus: (budgets) =>
      context.read(async (tx) => {
        const statuses: BudgetStatus[] = [];
        for (const { scope, period, timeZone = 'UTC', limitNanoUsd } of budgets) {
          const { start, end } = budgetWindowAt(period, context.now(), timeZone);
          const window = await windows.find.first(tx, { scope, period, windowStart: start });
          statuses.push({
            scope,
            period,
            timeZone,
            limitNanoUsd: limitNanoUsd.toString(),
            heldNanoUsd: (window?.held_nano_usd ?? 0n).toString(),
            spentNanoUsd: (window?.spent_nano_usd ?? 0n).toString(),
            resetsAt: end === null ? null : new Date(end).toISOString(),
          });
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
