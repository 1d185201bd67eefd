/** Who pays for a call: the nested scopes whose budgets and limits it meets, all of them at once. */
import type { ScopeSettings, Settings } from '../core/settings.ts';

export interface Payer {
  tenant: string;
  /** Name of the virtual key; null without one. */
  key: string | null;
  team?: string | undefined;
  user?: string | undefined;
}

export interface PaidScope extends ScopeSettings {
  /** `tenant:acme`, `team:acme/blue`, `user:acme/alice`, `key:acme-app`. */
  scope: string;
}

/** Gives the configured scopes of a payer, the widest first. A user that is not named has the default's, for itself. */
export function createPaidScopes(settings: Pick<Settings, 'tenants' | 'keys'>): (payer: Payer) => PaidScope[] {
  const keys = new Map(settings.keys.map((key) => [key.name, key]));
  return ({ tenant: name, key, team, user }) => {
    const tenant = settings.tenants.get(name);
    return [
      paidScope(`tenant:${name}`, tenant),
      team === undefined ? null : paidScope(`team:${name}/${team}`, tenant?.teams.get(team)),
      user === undefined
        ? null
        : paidScope(`user:${name}/${user}`, tenant?.users?.named.get(user) ?? tenant?.users?.default),
      key === null ? null : paidScope(`key:${key}`, keys.get(key)),
    ].filter((scope) => scope !== null);
  };
}

function paidScope(scope: string, settings: ScopeSettings | null | undefined): PaidScope | null {
  if (!settings) return null;
  return { scope, limits: settings.limits, budgets: settings.budgets.map((budget) => ({ ...budget, scope })) };
}
