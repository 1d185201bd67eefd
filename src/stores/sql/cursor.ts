import { HoldfastError } from '../../core/errors.ts';

/** Where a page ended. Callers see it as opaque text. */
export interface PageEnd {
  createdAt: number;
  id: string;
}

const CURSOR = /^(\d{1,15})\.(.+)$/s;

export function encodeCursor({ createdAt, id }: PageEnd): string {
  return Buffer.from(`${String(createdAt)}.${id}`).toString('base64url');
}

/** @throws HoldfastError `invalid_request` when the text was not made by `encodeCursor`. */
export function decodeCursor(cursor: string): PageEnd {
  const text = Buffer.from(cursor, 'base64url').toString();
  const [, createdAt, id] = CURSOR.exec(text) ?? [];
  if (createdAt === undefined || id === undefined || encodeCursor({ createdAt: Number(createdAt), id }) !== cursor) {
    throw new HoldfastError('invalid_request', 'after is not a cursor of this list; use `next` of the page before', {
      param: 'after',
    });
  }
  return { createdAt: Number(createdAt), id };
}
