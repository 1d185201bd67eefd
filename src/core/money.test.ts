import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatUsd, nanoUsdFromUsd, parseNanoUsd, sumRated } from './money.ts';

const amount = fc.bigInt({ min: 0n, max: 10n ** 20n });
const rated = fc.record({
  units: fc.integer({ min: 0, max: 2 ** 40 }),
  nanoUsdPerMillion: fc.bigInt({ min: 0n, max: 10n ** 15n }),
});

test.each([
  ['0.0375', 37_500_000n],
  [12, 12_000_000_000n],
  [2.5e-7, 250n],
  ['1e3', 1_000_000_000_000n],
  [0.1 + 0.2, 300_000_001n],
  ['0.0000000001', 1n],
  ['999999999999.999999999', 999_999_999_999_999_999_999n],
])('%j USD are %d nano-USD', (usd, nanoUsd) => {
  expect(nanoUsdFromUsd(usd)).toBe(nanoUsd);
});

test.each(['-1', 'NaN', '', ' 1', '1.', '.5', '1,5', '0x10', '1e999', Number.NaN, Infinity, -0.5])(
  'refuses %j as an amount of USD',
  (usd) => {
    expect(() => nanoUsdFromUsd(usd)).toThrow(RangeError);
  },
);

test('an amount written as USD and read again is the same amount', () => {
  fc.assert(
    fc.property(amount, (nanoUsd) => {
      expect(nanoUsdFromUsd(formatUsd(nanoUsd))).toBe(nanoUsd);
    }),
  );
});

test('the JSON form of an amount reads back, negative ones too', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), (nanoUsd) => {
      expect(parseNanoUsd(nanoUsd.toString())).toBe(nanoUsd);
    }),
  );
});

test.each(['', '1.0', '1e3', ' 1', '0x1', '--1', '1'.repeat(31)])(
  'refuses %j as the JSON form of an amount',
  (text) => {
    expect(() => parseNanoUsd(text)).toThrow(RangeError);
  },
);

test('formats cents at least, and no zeros beyond them', () => {
  expect([0n, 1n, -1_500_000_000n, 1_230_000_000n].map(formatUsd)).toEqual(['0.00', '0.000000001', '-1.50', '1.23']);
});

test('a sum of rated quantities is the exact sum, rounded half up once', () => {
  fc.assert(
    fc.property(fc.array(rated, { maxLength: 10 }), (quantities) => {
      const exact = quantities.reduce(
        (sum, { units, nanoUsdPerMillion }) => sum + BigInt(units) * nanoUsdPerMillion,
        0n,
      );
      const sum = sumRated(quantities);
      expect(sum * 1_000_000n - exact).toBeGreaterThan(-500_001n);
      expect(sum * 1_000_000n - exact).toBeLessThanOrEqual(500_000n);
    }),
  );
});

test('a sum does not depend on the order of its parts', () => {
  fc.assert(
    fc.property(fc.array(rated, { maxLength: 10 }), (quantities) => {
      expect(sumRated([...quantities].reverse())).toBe(sumRated(quantities));
    }),
  );
});

test.each([-1, 1.5, Number.NaN, 2 ** 53])('refuses %d units', (units) => {
  expect(() => sumRated([{ units, nanoUsdPerMillion: 1n }])).toThrow(RangeError);
});
