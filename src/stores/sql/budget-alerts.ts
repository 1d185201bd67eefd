/** Reports a budget's thresholds to the outbox, each once a window, when what was spent reaches them. */
import { createBudgetWindows } from './budget-windows.ts';
import type { WatchedBudget, WindowKey } from './budget-windows.ts';
import { fromJsonText } from './json-text.ts';
import type { Outbox } from './outbox.ts';
import type { BudgetWindowsTable, Database, Tx } from './schema.ts';

const SHARE_SCALE = 1_000_000;

export type BudgetAlerts = ReturnType<typeof createBudgetAlerts>;

export function createBudgetAlerts(db: Database, outbox: Outbox) {
  const windows = createBudgetWindows(db);
  return {
    async report(tx: Tx, touched: readonly WindowKey[], now: number): Promise<void> {
      for (const key of touched) {
        const window = await windows.find.first(tx, key);
        if (!window || window.watch === '[]') continue;
        const alerted = fromJsonText<string[]>(window.alerted);
        const reached = reachedThresholds(window).filter(({ id }) => !alerted.includes(id));
        if (reached.length === 0) continue;
        for (const { share, limitNanoUsd } of reached) {
          const { scope, period, held_nano_usd: held, spent_nano_usd: spent } = window;
          const figures = { limitNanoUsd, heldNanoUsd: held.toString(), spentNanoUsd: spent.toString() };
          const windowStart = new Date(window.window_start).toISOString();
          await outbox.append(tx, 'budget-alert', now, { scope, period, windowStart, share, ...figures });
        }
        const all = [...alerted, ...reached.map(({ id }) => id)];
        await windows.setAlerted.run(tx, { ...key, alerted: JSON.stringify(all) });
      }
    },
  };
}

function reachedThresholds(window: BudgetWindowsTable): { id: string; share: number; limitNanoUsd: string }[] {
  return fromJsonText<WatchedBudget[]>(window.watch).flatMap(({ limitNanoUsd, alertAt }) =>
    alertAt
      .filter((share) => window.spent_nano_usd * BigInt(SHARE_SCALE) >= threshold(limitNanoUsd, share))
      .map((share) => ({ id: `${limitNanoUsd}@${String(share)}`, share, limitNanoUsd })),
  );
}

function threshold(limitNanoUsd: string, share: number): bigint {
  return BigInt(limitNanoUsd) * BigInt(Math.round(share * SHARE_SCALE));
}
