/**
 * Holds: money set aside for an attempt before it leaves, replaced by the truth afterwards. Each hold row remembers the
 * window it was made in, so that a charge after a period's end still meets the sum it was held in.
 */
import type { ErrorRecord } from '../../core/errors.ts';
import { formatUsd } from '../../core/money.ts';
import type { NanoUsd } from '../../core/money.ts';
import type { BudgetSpec } from '../../core/ports/ledger/budgets.ts';
import { budgetStatusOf } from './budget-status.ts';
import { budgetWindowAt } from './budget-window.ts';
import type { BudgetWindow } from './budget-window.ts';
import { createBudgetWindows, inLockOrder, watchedBudgets, windowId } from './budget-windows.ts';
import type { WindowKey } from './budget-windows.ts';
import { prepare } from './prepared.ts';
import type { BudgetWindowsTable, Database, Tx } from './schema.ts';

export interface AttemptKey {
  callId: string;
  n: number;
}

interface WindowGroup {
  key: WindowKey;
  members: { budget: BudgetSpec; end: BudgetWindow['end'] }[];
}

export type Holds = ReturnType<typeof createHolds>;

export function createHolds(db: Database) {
  const windows = createBudgetWindows(db);
  const ofAttempt = prepare((p: AttemptKey) =>
    db.selectFrom('holds').selectAll().where('call_id', '=', p.callId).where('n', '=', p.n),
  );
  const insert = prepare((p: AttemptKey & WindowKey & { amount: bigint }) =>
    db.insertInto('holds').values({
      call_id: p.callId,
      n: p.n,
      scope: p.scope,
      period: p.period,
      window_start: p.windowStart,
      held_nano_usd: p.amount,
      spent_nano_usd: 0n,
    }),
  );
  const update = prepare((p: AttemptKey & { held: bigint; spent: bigint }) =>
    db
      .updateTable('holds')
      .set({ held_nano_usd: p.held, spent_nano_usd: p.spent })
      .where('call_id', '=', p.callId)
      .where('n', '=', p.n),
  );
  const remove = prepare((p: AttemptKey) =>
    db.deleteFrom('holds').where('call_id', '=', p.callId).where('n', '=', p.n),
  );

  /** Sets what every hold of the attempt holds and has spent; the windows move by the difference. Gives the windows. */
  const set = async (tx: Tx, attempt: AttemptKey, held: NanoUsd, spent: NanoUsd): Promise<WindowKey[]> => {
    const rows = (await ofAttempt.all(tx, attempt)).map(({ scope, period, window_start: windowStart, ...sums }) => ({
      key: { scope, period, windowStart },
      sums,
    }));
    const touched: WindowKey[] = [];
    for (const { key, sums } of rows.sort((a, b) => inLockOrder(a.key, b.key))) {
      const heldDelta = held - sums.held_nano_usd;
      const spentDelta = spent - sums.spent_nano_usd;
      if (heldDelta === 0n && spentDelta === 0n) continue;
      await windows.move.run(tx, { ...key, heldDelta, spentDelta });
      touched.push(key);
    }
    if (touched.length > 0) await update.run(tx, { ...attempt, held, spent });
    return touched;
  };

  return {
    /** Whether every budget has room, without holding anything. Null when there is room. */
    async refusal(
      tx: Tx,
      budgets: readonly BudgetSpec[],
      worstCase: NanoUsd | null,
      now: number,
    ): Promise<ErrorRecord | null> {
      for (const group of groupByWindow(budgets, now)) {
        const watch = watchedBudgets(group.members.map(({ budget }) => budget));
        const window = await windows.touch.first(tx, { ...group.key, watch });
        for (const { budget, end } of group.members) {
          if (window && !hasRoom(budget, window, worstCase)) return budgetExceeded(budget, window, end);
        }
      }
      return null;
    },
    /** Holds the amount in every budget's window. Call it after `refusal` gave null, in the same transaction. */
    async make(
      tx: Tx,
      attempt: AttemptKey,
      budgets: readonly BudgetSpec[],
      worstCase: NanoUsd | null,
      now: number,
    ): Promise<void> {
      const amount = worstCase ?? 0n;
      for (const { key } of groupByWindow(budgets, now)) {
        await insert.run(tx, { ...attempt, ...key, amount });
        if (amount > 0n) await windows.move.run(tx, { ...key, heldDelta: amount, spentDelta: 0n });
      }
    },
    /** Gives the money back and forgets the holds. */
    async release(tx: Tx, attempt: AttemptKey): Promise<void> {
      await set(tx, attempt, 0n, 0n);
      await remove.run(tx, attempt);
    },
    /** Replaces the holds by what was spent. */
    charge: (tx: Tx, attempt: AttemptKey, spent: NanoUsd): Promise<WindowKey[]> => set(tx, attempt, 0n, spent),
  };
}

/**
 * Budgets by window, in the order of locks. Those of one scope and period in two time zones share the sums of windows that
 * begin together: until one of them ends, the same calls count in both.
 */
function groupByWindow(budgets: readonly BudgetSpec[], now: number): WindowGroup[] {
  const groups = new Map<string, WindowGroup>();
  for (const budget of budgets) {
    const { start, end } = budgetWindowAt(budget.period, now, budget.timeZone);
    const key = { scope: budget.scope, period: budget.period, windowStart: start };
    const id = windowId(key);
    const group = groups.get(id);
    if (group) group.members.push({ budget, end });
    else groups.set(id, { key, members: [{ budget, end }] });
  }
  return [...groups.values()].sort((a, b) => inLockOrder(a.key, b.key));
}

/** Without a price the worst case is unknown: then only a budget that is not yet used up has room. */
function hasRoom(budget: BudgetSpec, window: BudgetWindowsTable, worstCase: NanoUsd | null): boolean {
  if (!budget.hard) return true;
  const used = window.held_nano_usd + window.spent_nano_usd;
  return worstCase === null ? used < budget.limitNanoUsd : used + worstCase <= budget.limitNanoUsd;
}

function budgetExceeded(budget: BudgetSpec, window: BudgetWindowsTable, end: number | null): ErrorRecord {
  const status = budgetStatusOf(budget, window, end);
  return {
    code: 'budget_exceeded',
    message:
      `The ${budget.period} budget of ${budget.scope} has no room for the worst case of this call: ` +
      `limit ${formatUsd(budget.limitNanoUsd)} USD, held ${formatUsd(window.held_nano_usd)}, ` +
      `spent ${formatUsd(window.spent_nano_usd)}. ` +
      (status.resetsAt === null ? 'Raise the budget' : `It resets at ${status.resetsAt}; wait, raise the budget`) +
      ', or bound the output lower.',
    source: 'gateway',
    details: { ...status },
  };
}
