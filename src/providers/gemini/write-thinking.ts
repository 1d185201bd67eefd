/** `reasoning_effort` as Gemini's thinking: a level since Gemini 3, a token budget before. Google's own mapping. */
import type { JsonObject } from '../../core/json.ts';
import type { Losses } from '../conversion-warnings.ts';
import { stringAt } from '../read-json.ts';

const LEVEL: Readonly<Record<string, string>> = {
  none: 'MINIMAL',
  minimal: 'LOW',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
};
const BUDGET: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 1_024,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};

/** The major version in a model's name; a name without one is taken for a new model. */
export function geminiMajorVersion(model: string): number {
  const match = /gemini-(\d+)/.exec(model);
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1]);
}

export function writeThinkingConfig(request: JsonObject, model: string, losses: Losses): JsonObject | undefined {
  const effort = stringAt(request, 'reasoning_effort');
  if (effort === undefined) return undefined;
  if (!Object.hasOwn(LEVEL, effort)) {
    losses.warn('reasoning_effort', `Gemini knows no effort \`${effort}\`; it was not sent.`);
    return undefined;
  }
  const includeThoughts = effort !== 'none';
  return geminiMajorVersion(model) >= 3
    ? { thinkingLevel: LEVEL[effort], includeThoughts }
    : { thinkingBudget: BUDGET[effort], includeThoughts };
}
