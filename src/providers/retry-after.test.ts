import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { retryAfterMs, shouldRetryHeader } from './retry-after.ts';

const NOW = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT');
const DAY_MS = 24 * 60 * 60 * 1000;

describe('retryAfterMs', () => {
  test.each([
    [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 1500],
    [{ 'retry-after-ms': 'soon', 'retry-after': '9' }, 9000],
    [{ 'retry-after': '0.25' }, 250],
    [{ 'Retry-After': '2' }, 2000],
    [{ 'retry-after': ['3', '4'] }, 3000],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:28:30 GMT' }, 30_000],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:27:30 GMT' }, 0],
    [{ 'retry-after': '9'.repeat(400) }, DAY_MS],
    [{ 'retry-after': '-5' }, undefined],
    [{ 'retry-after': '1e9' }, undefined],
    [{ 'retry-after': 'NaN' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{ 'retry-after': 'Wednesday maybe' }, undefined],
    [{}, undefined],
  ])('%j is %s', (headers, expected) => {
    expect(retryAfterMs(headers, NOW)).toBe(expected);
  });

  test('is undefined or a whole number of milliseconds from 0 to a day, whatever the headers hold', () => {
    const value = fc.oneof(fc.string(), fc.double().map(String), fc.bigInt().map(String), fc.date().map(String));
    fc.assert(
      fc.property(fc.option(value), fc.option(value), fc.nat(), (ms, seconds, now) => {
        const headers = { 'retry-after-ms': ms ?? undefined, 'retry-after': seconds ?? undefined };
        const wait = retryAfterMs(headers, now);
        expect(wait === undefined || (Number.isInteger(wait) && wait >= 0 && wait <= DAY_MS)).toBe(true);
      }),
    );
  });

  test('never waits less than the seconds that were asked for, up to a day', () => {
    fc.assert(
      fc.property(fc.nat({ max: 86_400 }), (seconds) => {
        expect(retryAfterMs({ 'retry-after': String(seconds) }, NOW)).toBe(seconds * 1000);
      }),
    );
  });
});

test('x-should-retry is heard only when it says true or false', () => {
  expect(shouldRetryHeader({ 'x-should-retry': 'true' })).toBe(true);
  expect(shouldRetryHeader({ 'x-should-retry': 'False' })).toBe(false);
  expect(shouldRetryHeader({ 'x-should-retry': 'perhaps' })).toBeUndefined();
});
