import type { BudgetSpec } from '../../core/ports/ledger/budgets.ts';
import { budget } from './fixture.ts';

/** One attempt to open, and who pays for it. */
export interface NestedSpend {
  amount: string;
  team: string;
  user: string;
}

export interface NestedLimits {
  tenant: string;
  team: string;
  user: string;
}

/** The budgets of a call of one user in one team: three limits at once, in a tenant of its own for each run. */
export function nestedBudgets(tenant: string, { team, user }: NestedSpend, limits: NestedLimits): BudgetSpec[] {
  const total = (scope: string, limit: string) => budget({ scope, period: 'total', limitNanoUsd: BigInt(limit) });
  return [
    total(`tenant:${tenant}`, limits.tenant),
    total(`team:${tenant}/${team}`, limits.team),
    total(`user:${tenant}/${user}`, limits.user),
  ];
}
