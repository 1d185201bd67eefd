import { expect, test } from 'vitest';
import { sealBatch } from '../redis/messages.ts';
import { deriveKey } from './derive-key.ts';
import { openEnvelope, sealEnvelope } from './envelope.ts';
import { createHistorySealer } from './history-key.ts';
import { openSalted, sealSalted } from './salted-seal.ts';
import { open, seal } from './seal.ts';

const key = new Uint8Array(32).fill(3);
const text = Buffer.from('a secret text');

test.each([
  ['sealed bytes', seal, open],
  ['an envelope', sealEnvelope, openEnvelope],
  ['bytes under a key of their own', sealSalted, openSalted],
])('%s open to what went in; any changed byte, other context, other key or cut is refused', (_name, close, reopen) => {
  const sealed = Buffer.from(close(key, 'name', text));
  expect(Buffer.from(reopen(key, 'name', sealed))).toEqual(text);
  expect(sealed.includes(text)).toBe(false);
  for (let index = 0; index < sealed.length; index += 1) {
    const changed = Buffer.from(sealed);
    changed[index] = (changed[index] ?? 0) ^ 0x80;
    expect(() => reopen(key, 'name', changed)).toThrow();
  }
  expect(() => reopen(key, 'other', sealed)).toThrow();
  expect(() => reopen(new Uint8Array(32).fill(4), 'name', sealed)).toThrow();
  for (const length of [0, 1, 20, sealed.length - 1]) {
    expect(() => reopen(key, 'name', sealed.subarray(0, length))).toThrow();
  }
});

test('the same text is sealed differently each time', () => {
  expect(seal(key, 'name', text)).not.toEqual(seal(key, 'name', text));
});

test('what a key that lives long seals opens with no key but the one of its own salt', () => {
  const [one, two] = [sealSalted(key, 'name', text), sealSalted(key, 'name', text)];
  expect(() => open(key, 'name', one.subarray(17))).toThrow();
  const swapped = Buffer.concat([one.subarray(0, 17), two.subarray(17)]);
  expect(() => openSalted(key, 'name', swapped)).toThrow();
});

test.each([
  ['a history', createHistorySealer(key).seal('name', text)],
  ['a batch for another node', sealBatch(key, 'call', [])],
])('%s is sealed by a key that nothing else is sealed by', (_what, sealed) => {
  expect(sealed[0]).toBe(2);
  expect(sealed.length).toBeGreaterThan(17 + 13 + 16);
});

test('each use has a key of its own, the same on every machine', () => {
  const uses = ['payloads', 'payload-refs', 'data-keys', 'histories', 'secrets', 'master-key-check'] as const;
  const keys = uses.map((use) => deriveKey(key, use).toString('hex'));
  expect(new Set(keys).size).toBe(uses.length);
  expect(keys[0]).toBe('328d0794cf38c076e93b4907053f63f1e49fbeba11bc5b8726a94b445b768243');
});
