import type { BudgetStatus, Ledger } from '../../core/ports/ledger.ts';
import { budgetWindowAt } from './budget-window.ts';
import { createBudgetWindows } from './budget-windows.ts';
import type { SqlContext } from './context.ts';

export function createBudgetStatus(context: SqlContext): Pick<Ledger, 'budgetStatus'> {
  const windows = createBudgetWindows(context.db);
  return {
    budgetStatus: (budgets) =>
      context.read(async (tx) => {
        const statuses: BudgetStatus[] = [];
        for (const { scope, period, limitNanoUsd } of budgets) {
          const { start, end } = budgetWindowAt(period, context.now());
          const window = await windows.find.first(tx, { scope, period, windowStart: start });
          statuses.push({
            scope,
            period,
            limitNanoUsd: limitNanoUsd.toString(),
            heldNanoUsd: (window?.held_nano_usd ?? 0n).toString(),
            spentNanoUsd: (window?.spent_nano_usd ?? 0n).toString(),
            resetsAt: end === null ? null : new Date(end).toISOString(),
          });
        }
        return statuses;
      }),
  };
}
