import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fastestMs } from '../../../test/support/fastest.ts';
import type { BudgetPeriod } from '../../core/ports/ledger/budgets.ts';
import { budgetWindowAt } from './budget-window.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns', // Half-hour zone; until 2011 its clocks were set back over midnight.
  'America/Havana', // The hour after midnight exists twice, or not at all.
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe', // Its clocks move by half an hour.
  'Pacific/Apia', // Left out 2011-12-30.
  'Africa/Cairo',
  'Pacific/Chatham',
];

const iso = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString().replace(':00.000', '');

test.each([
  ['hour', 'UTC', '2026-11-20T12:34:56Z', '2026-11-20T12:00Z', '2026-11-20T13:00Z'],
  ['day', 'UTC', '2026-11-20T23:59:59.999Z', '2026-11-20T00:00Z', '2026-11-21T00:00Z'],
  ['week', 'UTC', '2026-11-22T23:59:59.999Z', '2026-11-16T00:00Z', '2026-11-23T00:00Z'],
  ['week', 'UTC', '2026-11-23T00:00:00Z', '2026-11-23T00:00Z', '2026-11-30T00:00Z'],
  ['month', 'UTC', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00Z', '2027-01-01T00:00Z'],
  ['month', 'UTC', '2028-02-29T12:00:00Z', '2028-02-01T00:00Z', '2028-03-01T00:00Z'],
  ['total', 'UTC', '2026-11-20T12:00:00Z', '1970-01-01T00:00Z', null],
  ['total', 'Europe/Berlin', '2026-11-20T12:00:00Z', '1970-01-01T00:00Z', null],
  // A day of 23 hours, a day of 25, and the week and the month around each.
  ['day', 'Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-28T23:00Z', '2026-03-29T22:00Z'],
  ['day', 'Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-24T22:00Z', '2026-10-25T23:00Z'],
  ['day', 'Europe/Berlin', '2026-10-25T22:59:59.999Z', '2026-10-24T22:00Z', '2026-10-25T23:00Z'],
  ['week', 'Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-22T23:00Z', '2026-03-29T22:00Z'],
  ['month', 'Europe/Berlin', '2026-10-01T12:00:00Z', '2026-09-30T22:00Z', '2026-10-31T23:00Z'],
  ['month', 'America/New_York', '2026-12-01T04:59:59Z', '2026-11-01T04:00Z', '2026-12-01T05:00Z'],
  // The repeated hour is two windows: each has its own instants.
  ['hour', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25T00:00Z', '2026-10-25T01:00Z'],
  ['hour', 'Europe/Berlin', '2026-10-25T01:30:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'],
  ['hour', 'Asia/Kolkata', '2026-11-20T12:34:56Z', '2026-11-20T12:30Z', '2026-11-20T13:30Z'],
  ['hour', 'Asia/Kathmandu', '2026-11-20T12:34:56Z', '2026-11-20T12:15Z', '2026-11-20T13:15Z'],
  // 02:00 becomes 01:30: the hour from 01:00 lasts its hour, and half an hour of its time comes again.
  ['hour', 'Australia/Lord_Howe', '2026-04-04T14:30:00Z', '2026-04-04T14:00Z', '2026-04-04T15:00Z'],
  ['hour', 'Australia/Lord_Howe', '2026-04-04T15:10:00Z', '2026-04-04T15:00Z', '2026-04-04T15:30Z'],
  // Midnight itself is skipped: the day begins at one o'clock.
  ['day', 'America/Havana', '2026-03-08T12:00:00Z', '2026-03-08T05:00Z', '2026-03-09T04:00Z'],
  ['day', 'America/Havana', '2026-11-01T12:00:00Z', '2026-11-01T04:00Z', '2026-11-02T05:00Z'],
  // Clocks went from 00:01 back to 23:01: the day that had begun goes on.
  ['day', 'America/St_Johns', '2010-11-07T02:45:00Z', '2010-11-07T02:30Z', '2010-11-08T03:30Z'],
  ['day', 'Pacific/Apia', '2011-12-30T08:00:00Z', '2011-12-29T10:00Z', '2011-12-30T10:00Z'],
] as const)('the %s in %s of %s is from %s to %s', (period, timeZone, now, start, end) => {
  const window = budgetWindowAt(period, Date.parse(now), timeZone);
  expect([iso(window.start), iso(window.end)]).toEqual([start, end]);
});

const instants = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2045, 0) });
/** Instants near the turns of days, where the mistakes are. */
const nearMidnights = fc
  .tuple(fc.integer({ min: 10_957, max: 27_000 }), fc.integer({ min: -15 * HOUR_MS, max: 15 * HOUR_MS }))
  .map(([day, distance]) => day * DAY_MS + distance);
const periods = fc.constantFrom<Exclude<BudgetPeriod, 'total'>>('hour', 'day', 'week', 'month');
const zones = fc.constantFrom(...ZONES);
const LONGEST: Record<string, number> = { hour: 1, day: 25, week: 7 * 24 + 1, month: 31 * 24 + 1 };

test('windows tile time in every zone: each instant is in its window, and the end of one is the start of the next', () => {
  fc.assert(
    fc.property(periods, zones, fc.oneof(instants, nearMidnights), (period, timeZone, now) => {
      const { start, end } = budgetWindowAt(period, now, timeZone);
      expect(start).toBeLessThanOrEqual(now);
      expect(end).toBeGreaterThan(now);
      expect((end ?? 0) - start).toBeLessThanOrEqual((LONGEST[period] ?? 0) * HOUR_MS);
      expect(budgetWindowAt(period, end ?? 0, timeZone).start).toBe(end);
      expect(budgetWindowAt(period, start, timeZone)).toEqual({ start, end });
      expect(budgetWindowAt(period, start - 1, timeZone).end).toBe(start);
      expect(budgetWindowAt(period, (end ?? 0) - 1, timeZone)).toEqual({ start, end });
    }),
    { numRuns: 3_000 },
  );
});

/** The local clock by another way than the one under test. */
function localClock(at: number, timeZone: string): { date: string; weekday: string; time: string } {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return {
    date: `${parts['year']!}-${parts['month']!}-${parts['day']!}`,
    weekday: parts['weekday']!,
    time: `${parts['hour']!}:${parts['minute']!}:${parts['second']!}`,
  };
}

test('a day, week or month begins when the local clock first shows its date, and that date was not there before', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('day', 'week', 'month'),
      zones,
      fc.oneof(instants, nearMidnights),
      (period, zone, now) => {
        const { start } = budgetWindowAt(period, now, zone);
        const [first, before] = [localClock(start, zone), localClock(start - 1, zone)];
        expect(first.date > before.date).toBe(true);
        const hours = Number(first.time.slice(0, 2));
        expect(first.time === '00:00:00' || (hours <= 1 && before.time === '23:59:59')).toBe(true);
        if (period === 'week') expect(first.weekday).toBe('Mon');
        if (period === 'month') expect(first.date.slice(8)).toBe('01');
        // St. John's clocks used to fall back over midnight: then yesterday's date shows for an hour of today.
        if (period === 'day' && localClock(now, zone).date !== first.date) expect(zone).toBe('America/St_Johns');
      },
    ),
    { numRuns: 1_000 },
  );
});

test('an hour begins at a full hour of the local clock, or where clocks move by part of an hour', () => {
  fc.assert(
    fc.property(zones, fc.oneof(instants, nearMidnights), (zone, now) => {
      const { start, end } = budgetWindowAt('hour', now, zone);
      const isFull = localClock(start, zone).time.endsWith(':00:00');
      if (!isFull || (end ?? 0) - start !== HOUR_MS) expect(zone).toBe('Australia/Lord_Howe');
    }),
    { numRuns: 1_000 },
  );
});

test('finding a window takes a few microseconds', () => {
  const from = Date.parse('2026-10-24T00:00:00Z');
  const rounds = 20_000;
  for (let index = 0; index < 1_000; index += 1) budgetWindowAt('day', from + index, 'Europe/Berlin');
  const ms = fastestMs(() => {
    // A second between calls: a window is found anew about every 86,400th time.
    for (let index = 0; index < rounds; index += 1) budgetWindowAt('day', from + index * 1_000, 'Europe/Berlin');
  });
  expect((ms / rounds) * 1_000).toBeLessThan(20);
});
