import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';

/** Holds stand for unknown attempts alone, every window's sums are those of its holds, and what calls cost is charged, in
 * the day in which they came. */
export function expectExactMoney(ledger: string): void {
  const database = new DatabaseSync(ledger, { readOnly: true });
  try {
    const leaked = database.prepare(
      `select count(*) as n from holds join attempts on attempts.call_id = holds.call_id and attempts.n = holds.n
       where held_nano_usd > 0 and attempts.state <> 'unknown'`,
    );
    expect(leaked.get()).toEqual({ n: 0 });
    const uncovered = database.prepare(
      `select count(*) as n from attempts where state = 'unknown' and not exists
       (select 1 from holds where holds.call_id = attempts.call_id and holds.n = attempts.n and held_nano_usd > 0)`,
    );
    expect(uncovered.get()).toEqual({ n: 0 });
    const wrong = database.prepare(
      `select count(*) as n from budget_windows as w where held_nano_usd <> coalesce(
         (select sum(held_nano_usd) from holds as h where h.scope = w.scope and h.period = w.period and h.window_start = w.window_start), 0)
       or spent_nano_usd <> coalesce(
         (select sum(spent_nano_usd) from holds as h where h.scope = w.scope and h.period = w.period and h.window_start = w.window_start), 0)`,
    );
    expect(wrong.get()).toEqual({ n: 0 });
    const elsewhere = database.prepare(
      `select count(*) as n from holds join calls on calls.id = holds.call_id
       where period = 'day' and n = 1 and (created_at < window_start or created_at - window_start > 25 * 3600000)`,
    );
    expect(elsewhere.get()).toEqual({ n: 0 });
    const booked = database.prepare(
      `select (select sum(cost_nano_usd) from calls) as cost,
       (select sum(spent_nano_usd) from budget_windows where period = 'total') as total,
       (select sum(spent_nano_usd) from budget_windows where period = 'day') as days`,
    );
    const { cost, total, days } = booked.get() ?? {};
    expect({ total, days }).toEqual({ total: cost, days: cost });
  } finally {
    database.close();
  }
}
