/**
 * What a Claude generation takes, by its name. Thinking budgets ended with 4.6 (adaptive thinking and `effort` instead),
 * sampling parameters with 4.7. Source: platform.claude.com/docs, "Migrating to API version 2026-10-21" and the model pages.
 */
export interface ModelGeneration {
  takesThinkingBudget: boolean;
  takesSampling: boolean;
}

const NEW_NAME = /^claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?!\d)/;
const OLD_NAME = /^claude-(\d)(?:-(\d))?-/;
const FIRST_ADAPTIVE = 4.06;
const FIRST_WITHOUT_SAMPLING = 4.07;

/** A name that is no Claude's is taken for a compatible server's model: it gets what it is asked for. */
export function modelGeneration(model: string): ModelGeneration {
  const match = NEW_NAME.exec(model) ?? OLD_NAME.exec(model);
  if (match === null) return { takesThinkingBudget: false, takesSampling: true };
  const version = Number(match[1]) + Number(match[2] ?? 0) / 100;
  return { takesThinkingBudget: version < FIRST_ADAPTIVE, takesSampling: version < FIRST_WITHOUT_SAMPLING };
}
