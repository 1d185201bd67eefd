/**
 * The windows that budgets count in, by the clock of a time zone. Windows of one period and zone tile time: the end of one
 * is the start of the next, whatever the clocks do there.
 */
import type { BudgetPeriod } from '../../core/ports/ledger/budgets.ts';
import { zoneOffsetMs } from '../../core/time-zone.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-05, the first Monday of the epoch, in days. */
const FIRST_MONDAY = 4;
/** One entry for each period and zone in use. */
const MAX_CACHED = 1_024;

export interface BudgetWindow {
  /** Unix milliseconds; 0 for `total`. */
  start: number;
  /** The first instant of the next window; null for `total`. */
  end: number | null;
}

type BoundedWindow = BudgetWindow & { end: number };
type CalendarPeriod = 'day' | 'week' | 'month';

const latest = new Map<string, BoundedWindow>();

/** The window of a period that holds this instant: weeks begin on Monday, months on the first. Default zone UTC. */
export function budgetWindowAt(period: BudgetPeriod, now: number, timeZone = 'UTC'): BudgetWindow {
  if (period === 'total') return { start: 0, end: null };
  // Asking the zone's rules costs some microseconds each time; nearly every call falls into the window of the one before.
  const id = `${period} ${timeZone}`;
  const known = latest.get(id);
  if (known && known.start <= now && now < known.end) return known;
  const window = period === 'hour' ? hourWindow(now, timeZone) : calendarWindow(period, now, timeZone);
  const [oldest] = latest.keys();
  if (latest.size >= MAX_CACHED && oldest !== undefined) latest.delete(oldest);
  latest.set(id, window);
  return window;
}

/** From one full hour of the local clock to the next; shorter where a zone moves its clocks by part of an hour. */
function hourWindow(now: number, timeZone: string): BoundedWindow {
  const offset = zoneOffsetMs(timeZone, now);
  const start = Math.floor((now + offset) / HOUR_MS) * HOUR_MS - offset;
  const isAligned = (at: number) => (zoneOffsetMs(timeZone, at) - offset) % HOUR_MS === 0;
  const end = start + HOUR_MS;
  return {
    start: isAligned(start) ? start : firstWhere(isAligned, start, now),
    end: isAligned(end - 1) ? end : firstWhere((at) => !isAligned(at), now, end - 1),
  };
}

function calendarWindow(period: CalendarPeriod, now: number, timeZone: string): BoundedWindow {
  const today = Math.floor((now + zoneOffsetMs(timeZone, now)) / DAY_MS);
  let start = startOfDate(firstDateOf(period, today, 0), timeZone);
  for (let after = 1; ; after += 1) {
    const end = startOfDate(firstDateOf(period, today, after), timeZone);
    if (end > now) return { start, end };
    // Clocks that were set back over midnight show yesterday's date again: today has begun all the same.
    start = end;
  }
}

/** Dates are counted in days since 1970-01-01. `after` 0 is the period that holds the date, 1 the next. */
function firstDateOf(period: CalendarPeriod, date: number, after: number): number {
  switch (period) {
    case 'day':
      return date + after;
    case 'week':
      return Math.floor((date - FIRST_MONDAY) / 7 + after) * 7 + FIRST_MONDAY;
    case 'month': {
      const day = new Date(date * DAY_MS);
      return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + after, 1) / DAY_MS;
    }
  }
}

/** The first instant at which the local clock has reached this date: midnight, or the end of a gap over midnight. */
function startOfDate(date: number, timeZone: string): number {
  const midnight = date * DAY_MS;
  const before = zoneOffsetMs(timeZone, midnight - DAY_MS);
  const after = zoneOffsetMs(timeZone, midnight + DAY_MS);
  if (zoneOffsetMs(timeZone, midnight - before) === before) return midnight - before;
  if (zoneOffsetMs(timeZone, midnight - after) === after) return midnight - after;
  return firstWhere((at) => zoneOffsetMs(timeZone, at) === after, midnight - DAY_MS, midnight + DAY_MS);
}

/** The first millisecond in (`low`, `high`] for which it holds, where it changes once from false to true. */
function firstWhere(holds: (at: number) => boolean, low: number, high: number): number {
  let [without, having] = [low, high];
  while (having - without > 1) {
    const middle = Math.floor((without + having) / 2);
    if (holds(middle)) having = middle;
    else without = middle;
  }
  return having;
}
