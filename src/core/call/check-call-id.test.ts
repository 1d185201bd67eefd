import { expect, it } from 'vitest';
import { checkCallId } from './check-call-id.ts';

it.each(['order.17/a', '...', 'x', 'x'.repeat(255)])('%j may be the id of a call', (id) => {
  expect(() => checkCallId(id)).not.toThrow();
});

it.each(['заказ-17', 'order 17', '', 'a\n', '.', '..', 'x'.repeat(256)])('%j stands in no path or header', (id) => {
  expect(() => checkCallId(id)).toThrow(expect.objectContaining({ code: 'invalid_request', param: 'callId' }));
});
