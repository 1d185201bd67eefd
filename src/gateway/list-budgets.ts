/** What is left of every budget: those that the configuration names, then the users that each have the default's. */
import type { Ledger } from '../core/ports/ledger.ts';
import type { BudgetStatus } from '../core/ports/ledger/budgets.ts';
import type { BudgetSettings, Settings } from '../core/settings.ts';
import { createPaidScopes } from '../governance/paid-scopes.ts';

/** Whose budgets are shown; null for all. */
export type BudgetViewer = { tenant: string; key: string | null; team?: string | undefined } | null;

export interface BudgetPage {
  /** How many users beyond the named ones. Default 100. */
  limit?: number | undefined;
  /** `next` of the page before: then only users follow. */
  after?: string | undefined;
}

const DEFAULT_LIMIT = 100;

export async function listBudgets(
  { settings, ledger }: { settings: Settings; ledger: Pick<Ledger, 'budgetStatus' | 'budgetScopes'> },
  viewer: BudgetViewer,
  { limit = DEFAULT_LIMIT, after }: BudgetPage = {},
): Promise<{ budgets: BudgetStatus[]; next: string | null }> {
  const seen = await seenUsers(settings, ledger, viewer, after ?? null, limit);
  const scopesOf = createPaidScopes(settings);
  const ofUsers = seen.flatMap(({ tenant, user }) =>
    settings.tenants.get(tenant)?.users?.named.has(user)
      ? []
      : scopesOf({ tenant, key: null, user }).flatMap(({ scope, budgets }) =>
          scope.startsWith('user:') ? budgets : [],
        ),
  );
  const all = after === undefined ? [...configuredBudgets(settings, viewer), ...ofUsers] : ofUsers;
  const last = seen.at(-1);
  return { budgets: await ledger.budgetStatus(all), next: last && seen.length === limit ? last.scope : null };
}

function configuredBudgets(settings: Settings, viewer: BudgetViewer): BudgetSettings[] {
  const tenants = [...settings.tenants].filter(([name]) => viewer === null || name === viewer.tenant);
  return [
    ...tenants.flatMap(([, { budgets, teams, users }]) => [
      ...budgets,
      ...[...teams].filter(([name]) => viewer === null || name === viewer.team).flatMap(([, team]) => team.budgets),
      ...[...(users?.named.values() ?? [])].flatMap((user) => user.budgets),
    ]),
    ...settings.keys.filter(({ name }) => viewer === null || name === viewer.key).flatMap(({ budgets }) => budgets),
  ];
}

interface SeenUser {
  tenant: string;
  user: string;
  scope: string;
}

/** Users for whom something was ever held, in the order of their scopes' names. */
async function seenUsers(
  settings: Settings,
  ledger: Pick<Ledger, 'budgetScopes'>,
  viewer: BudgetViewer,
  after: string | null,
  limit: number,
): Promise<SeenUser[]> {
  const tenants = [...settings.tenants]
    .filter(([name, { users }]) => users?.default && (viewer === null || name === viewer.tenant))
    .map(([tenant]) => ({ tenant, prefix: `user:${tenant}/` }))
    .sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  const seen: SeenUser[] = [];
  for (const { tenant, prefix } of tenants) {
    if (seen.length >= limit) break;
    // Tenants before the one that the page before ended in have been shown.
    if (after !== null && prefix < after && !after.startsWith(prefix)) continue;
    const scopes = await ledger.budgetScopes(prefix, after, limit - seen.length);
    seen.push(...scopes.map((scope) => ({ tenant, user: scope.slice(prefix.length), scope })));
  }
  return seen;
}
