/** `reasoning_effort` in Anthropic's wire: adaptive thinking with an effort, or a token budget for models before 4.6. */
import type { JsonObject } from '../../core/json.ts';
import type { Losses } from '../conversion-warnings.ts';
import { stringAt } from '../read-json.ts';
import { modelGeneration } from './model-generation.ts';
import { isToolForced } from './write-tools.ts';

const EFFORT: Readonly<Record<string, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
};
const BUDGET: Readonly<Record<string, number>> = {
  minimal: 1_024,
  low: 2_048,
  medium: 8_192,
  high: 16_384,
  xhigh: 32_768,
  max: 32_768,
};
/** Anthropic's own minimum. */
const MIN_BUDGET = 1_024;

export interface ThinkingFields {
  thinking?: JsonObject;
  effort?: string;
}

export function writeThinking(request: JsonObject, model: string, maxTokens: number, losses: Losses): ThinkingFields {
  const effort = stringAt(request, 'reasoning_effort');
  if (effort === undefined || effort === 'none') return {};
  const level = Object.hasOwn(EFFORT, effort) ? EFFORT[effort] : undefined;
  if (level === undefined) {
    losses.warn('reasoning_effort', `Anthropic knows no effort \`${effort}\`; thinking stays off.`);
    return {};
  }
  if (isToolForced(request)) {
    losses.warn('reasoning_effort', 'Anthropic does not think when a tool is forced; thinking stays off.');
    return {};
  }
  if (!modelGeneration(model).takesThinkingBudget) return { thinking: { type: 'adaptive' }, effort: level };
  const budget = Math.min(BUDGET[effort] ?? MIN_BUDGET, maxTokens - 1);
  if (budget < MIN_BUDGET) {
    losses.warn('reasoning_effort', `Thinking needs more than ${String(MIN_BUDGET)} output tokens; it stays off.`);
    return {};
  }
  return { thinking: { type: 'enabled', budget_tokens: budget } };
}
