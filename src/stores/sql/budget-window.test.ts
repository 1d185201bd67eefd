import fc from 'fast-check';
import { expect, test } from 'vitest';
import { budgetWindowAt } from './budget-window.ts';

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

test.each([
  ['hour', '2026-11-20T12:34:56Z', '2026-11-20T12:00:00.000Z', '2026-11-20T13:00:00.000Z'],
  ['day', '2026-11-20T23:59:59.999Z', '2026-11-20T00:00:00.000Z', '2026-11-21T00:00:00.000Z'],
  ['week', '2026-11-22T23:59:59.999Z', '2026-11-16T00:00:00.000Z', '2026-11-23T00:00:00.000Z'],
  ['week', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00.000Z', '2026-11-30T00:00:00.000Z'],
  ['month', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  ['month', '2028-02-29T12:00:00Z', '2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'],
  ['total', '2026-11-20T12:00:00Z', '1970-01-01T00:00:00.000Z', null],
] as const)('the %s of %s is from %s to %s', (period, now, start, end) => {
  const window = budgetWindowAt(period, Date.parse(now));
  expect([iso(window.start), iso(window.end)]).toEqual([start, end]);
});

test('windows tile time: each instant is in its window, and the end of one is the start of the next', () => {
  fc.assert(
    fc.property(fc.constantFrom('hour', 'day', 'week', 'month'), fc.integer({ min: 0, max: 4e12 }), (period, now) => {
      const { start, end } = budgetWindowAt(period, now);
      expect(start).toBeLessThanOrEqual(now);
      expect(end).toBeGreaterThan(now);
      expect(budgetWindowAt(period, end ?? 0).start).toBe(end);
    }),
  );
});
