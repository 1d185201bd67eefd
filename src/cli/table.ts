/** Tables for people: columns as wide as their widest cell, headings in small print. */
import { styleText } from 'node:util';
import { inert } from './inert.ts';

const GAP = '  ';

/** Lines of a table. With no rows, the one line `(none)`. */
export function tableLines(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return ['(none)'];
  const cells = rows.map((row) => row.map(inert));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => (row[column] ?? '').length)),
  );
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) => (row[column] ?? '').padEnd(width))
      .join(GAP)
      .trimEnd();
  return [styleText('dim', line(headings)), ...cells.map(line)];
}

/** Lines of named values, one each. */
export function fieldLines(fields: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${styleText('dim', name.padEnd(width))}${GAP}${inert(value)}`);
}
