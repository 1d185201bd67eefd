import { expect, test } from 'vitest';
import { deriveCallId, newCallId } from './call-id.ts';

test('new call ids differ and are safe in URLs', () => {
  const ids = Array.from({ length: 100 }, newCallId);
  expect(new Set(ids).size).toBe(100);
  for (const id of ids) expect(id).toMatch(/^call_[\w-]{24}$/);
});

test('a derived call id is the same on every machine and release', () => {
  expect(deriveCallId('acme', 'order-17', 1)).toBe('call_5_Qg1m85QuRaU8zVEVGBtXuf');
});

test('a derived call id changes with tenant, key and generation, and parts do not run into each other', () => {
  const ids = [
    deriveCallId('acme', 'order-17', 1),
    deriveCallId('acme', 'order-17', 2),
    deriveCallId('acme', 'order-1', 71),
    deriveCallId('acmeo', 'rder-17', 1),
    deriveCallId('other', 'order-17', 1),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});
