/** Which rules hold for what goes into a workflow or a step, and for what comes out of it. */
import type { CallSteps, MaintenanceActivities, ProviderActivities, SweepReport } from '../../activities/types.ts';
import type * as workflows from '../../workflows/index.ts';
import {
  admission,
  attemptOutcome,
  callInput,
  callResult,
  candidate,
  credentialChoice,
  order,
  settlement,
} from './decision-fields.ts';
import { fields, figure, hidden, oneOf, type Rule } from './rules.ts';

export interface StepRules {
  /** By position of the argument. */
  readonly input: readonly Rule[];
  readonly result: Rule;
}

const workflowRules: Record<keyof typeof workflows, StepRules> = {
  llmCall: { input: [callInput], result: callResult },
  reconcileAttempts: { input: [figure], result: hidden },
};

const activityRules: Record<keyof CallSteps | keyof ProviderActivities | keyof MaintenanceActivities, StepRules> = {
  admit: { input: [callInput], result: admission },
  selectCredential: { input: [hidden, candidate], result: credentialChoice },
  stopAttempt: { input: [hidden], result: hidden },
  collectAnswer: { input: [order], result: attemptOutcome },
  withdrawAttempt: { input: [order, oneOf(['cancelled', 'deadline'])], result: attemptOutcome },
  settle: { input: [settlement, callInput], result: callResult },
  executeProvider: { input: [order], result: attemptOutcome },
  sweep: {
    input: [],
    result: fields<SweepReport>({
      started: figure,
      settled: figure,
      reconciled: figure,
      abandoned: figure,
      pruned: figure,
    }),
  },
};

/** Of a type that this build does not know, everything is hidden. */
const UNKNOWN: StepRules = { input: [], result: hidden };

export function workflowStep(type: string): StepRules {
  return lookUp(workflowRules, type);
}

export function activityStep(type: string): StepRules {
  return lookUp(activityRules, type);
}

function lookUp(rules: Readonly<Record<string, StepRules>>, type: string): StepRules {
  return (Object.hasOwn(rules, type) ? rules[type] : undefined) ?? UNKNOWN;
}
