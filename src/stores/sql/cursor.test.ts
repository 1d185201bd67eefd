import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';

test('a cursor reads back as the page end it was made from', () => {
  fc.assert(
    fc.property(fc.nat(), fc.string({ minLength: 1 }), (createdAt, id) => {
      expect(decodeCursor(encodeCursor({ createdAt, id }))).toEqual({ createdAt, id });
    }),
  );
});

test('text that is no cursor is an invalid request, whatever it is', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        expect(encodeCursor(decodeCursor(text))).toBe(text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid_request', param: 'after' });
      }
    }),
  );
});
