/** The port that a policy engine plugs into, and the policy that needs none: the models that a key may name. */
import type { CallKind, Principal } from '../core/call/types.ts';

export interface PolicyRequest {
  principal: Principal;
  kind: CallKind;
  /** The alias or `provider/model` that the caller named. */
  model: string;
  tags: Readonly<Record<string, string>>;
}

export type PolicyDecision =
  | { effect: 'allow'; policy: string }
  /** `reason` is shown to the caller. */
  | { effect: 'deny'; policy: string; reason: string };

export interface PolicyEngine {
  /** Decides within milliseconds and without side effects: an admission that is repeated decides again. */
  decide(request: PolicyRequest): PolicyDecision | Promise<PolicyDecision>;
}

/** Allows what the key's own list allows; a key without a list may name every model. */
export const allowedModelsPolicy: PolicyEngine = {
  decide({ principal, model }) {
    if (principal.models === null || principal.models.includes(model))
      return { effect: 'allow', policy: 'allowed-models' };
    return {
      effect: 'deny',
      policy: 'allowed-models',
      reason: `The key ${principal.key ?? '(none)'} may not use the model "${model}"; it may use: ${principal.models.join(', ') || 'none'}.`,
    };
  },
};
