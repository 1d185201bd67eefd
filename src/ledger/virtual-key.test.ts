import { expect, test } from 'vitest';
import { generateVirtualKey, hashVirtualKey } from './virtual-key.ts';

test('a virtual key is 32 random bytes behind a prefix, and no two are alike', () => {
  const keys = Array.from({ length: 100 }, generateVirtualKey);
  expect(new Set(keys).size).toBe(100);
  for (const key of keys) expect(key).toMatch(/^hk_[\w-]{43}$/);
});

test('the hash is the SHA-256 of the whole key, as any tool can compute it', () => {
  // printf %s hk_test | sha256sum
  expect(hashVirtualKey('hk_test')).toBe('hk1:63ef7dbe87637cad24f00e2c33091e3600a403b2641eca95c1ba2593270afc44');
});
