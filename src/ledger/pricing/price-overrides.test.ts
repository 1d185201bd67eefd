import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadPriceOverrides, parsePriceOverrides } from './price-overrides.ts';

test('every fault is named with its path, all at once', () => {
  const value = {
    'openai/gpt-5': { input: '-1', output: '2' },
    gpt: { input: '1' },
    'a/b': { output: '1', surprise: '3' },
  };
  expect(() => parsePriceOverrides(value, './prices.yaml')).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      message: expect.stringMatching(
        /prices\.yaml.*openai\/gpt-5\.input.*gpt.*provider\/model.*a\/b\.input.*surprise/s,
      ),
    }),
  );
});

test('a file is read as YAML; an empty one overrides nothing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-prices-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'prices.yaml');
  writeFileSync(path, 'openai/gpt-5: { input: "1.25", output: "10" }\n');
  expect(loadPriceOverrides(path).find('openai', 'gpt-5')?.input.base).toBe(1_250_000_000n);
  writeFileSync(path, '');
  expect(loadPriceOverrides(path).find('openai', 'gpt-5')).toBeNull();
});

test('a missing or broken file is named', () => {
  expect(() => loadPriceOverrides('/no/such/prices.yaml')).toThrow(/no\/such\/prices\.yaml cannot be read/);
});

test('the version changes with the content only', () => {
  const version = (input: string) => parsePriceOverrides({ 'a/b': { input } }).version;
  expect(version('1')).toBe(version('1'));
  expect(version('1')).not.toBe(version('2'));
});
