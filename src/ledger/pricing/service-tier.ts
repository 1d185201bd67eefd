/** What a service tier changes: the catalogue knows standard prices only. */
export interface TierAdjustment {
  percent: number;
  /** False when the surcharge differs from model to model and the highest is taken. */
  isExact: boolean;
}

const STANDARD: TierAdjustment = { percent: 100, isExact: true };

/**
 * Sources: OpenAI's price page (batch and flex at half the standard rate; priority at 1.7 to 2 times, by model) and
 * Anthropic's (batch at half). Anthropic's `priority` is a prepaid commitment at standard rates.
 */
const adjustments: ReadonlyMap<string, TierAdjustment> = new Map([
  ['openai flex', { percent: 50, isExact: true }],
  ['openai batch', { percent: 50, isExact: true }],
  ['openai priority', { percent: 200, isExact: false }],
  ['anthropic batch', { percent: 50, isExact: true }],
]);

/** @param kind of the provider. @param serviceTier as the response names it; unknown ones change nothing. */
export function tierAdjustment(kind: string, serviceTier: string | null | undefined): TierAdjustment {
  return adjustments.get(`${kind} ${serviceTier ?? ''}`) ?? STANDARD;
}
