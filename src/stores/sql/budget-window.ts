import type { BudgetPeriod } from '../../core/ports/ledger.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-05, the first Monday of the epoch. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

export interface BudgetWindow {
  /** Unix milliseconds; 0 for `total`. */
  start: number;
  /** The first instant of the next window; null for `total`. */
  end: number | null;
}

/** The window of a period that holds this instant: UTC boundaries, weeks from Monday, calendar months. */
export function budgetWindowAt(period: BudgetPeriod, now: number): BudgetWindow {
  switch (period) {
    case 'hour':
      return evenWindow(now, HOUR_MS, 0);
    case 'day':
      return evenWindow(now, DAY_MS, 0);
    case 'week':
      return evenWindow(now, WEEK_MS, FIRST_MONDAY_MS);
    case 'month': {
      const date = new Date(now);
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
      return { start: Date.UTC(year, month, 1), end: Date.UTC(year, month + 1, 1) };
    }
    case 'total':
      return { start: 0, end: null };
  }
}

function evenWindow(now: number, lengthMs: number, originMs: number): BudgetWindow {
  const start = Math.floor((now - originMs) / lengthMs) * lengthMs + originMs;
  return { start, end: start + lengthMs };
}
