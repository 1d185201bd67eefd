import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { fieldLines, tableLines } from './table.ts';

const HOSTILE = 'x\u001b[2J\u001b]52;c;ZXZpbA==\u0007\ncost  $0.00\u009b1A\u202ereversed\u2028';
const SHOWN = 'x\\u001b[2J\\u001b]52;c;ZXZpbA==\\u0007\\u000acost  $0.00\\u009b1A\\u202ereversed\\u2028';

test('what callers named steers no terminal and forges no line', () => {
  const [heading = '', row] = tableLines(['MODEL', 'COST'], [[HOSTILE, '$1']]);
  expect(row).toBe(`${SHOWN}  $1`);
  expect(stripVTControlCharacters(heading)).toBe(`MODEL${' '.repeat(SHOWN.length - 5)}  COST`);
  expect(fieldLines([['tags', HOSTILE]]).map(stripVTControlCharacters)).toEqual([`tags  ${SHOWN}`]);
});
