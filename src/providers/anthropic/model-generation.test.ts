import { expect, test } from 'vitest';
import { modelGeneration } from './model-generation.ts';

test.each([
  ['claude-3-5-sonnet-20241022', true, true],
  ['claude-3-7-sonnet-latest', true, true],
  ['claude-sonnet-4-20250514', true, true],
  ['claude-opus-4-1-20250805', true, true],
  ['claude-haiku-4-5', true, true],
  ['claude-sonnet-4-6', false, true],
  ['claude-opus-4-7', false, false],
  ['claude-opus-5-5', false, false],
  ['claude-opus-10', false, false],
  ['some-compatible-model', false, true],
])('%s: thinking budget %s, sampling %s', (model, takesThinkingBudget, takesSampling) => {
  expect(modelGeneration(model)).toEqual({ takesThinkingBudget, takesSampling });
});
