import type { KyselyPlugin, QueryResult, UnknownRow } from 'kysely';

const MONEY_COLUMN = '_nano_usd';

/**
 * The pool gives every int8 as bigint, because a number is exact only to 2^53. Money stays bigint (its columns end in
 * `_nano_usd`); times and sequence numbers become numbers, or an error where they would not be exact.
 */
export const integerColumns: KyselyPlugin = {
  transformQuery: ({ node }) => node,
  transformResult: ({ result }) => Promise.resolve(withNumbers(result)),
};

function withNumbers(result: QueryResult<UnknownRow>): QueryResult<UnknownRow> {
  for (const row of result.rows) {
    for (const [column, value] of Object.entries(row)) {
      if (typeof value === 'bigint' && !column.endsWith(MONEY_COLUMN)) row[column] = exactNumber(column, value);
    }
  }
  return result;
}

function exactNumber(column: string, value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Error(`${column} is beyond the exact range of a number`);
  return number;
}
