/** `holdfast budgets|providers|models`: what is configured, and what is left of it. */
import type { Command } from 'commander';
import { formatUsd, parseNanoUsd } from '../../core/money.ts';
import type { BudgetStatus } from '../../core/ports/ledger/budgets.ts';
import type { SystemAccess } from '../access/system-access.ts';
import { withAccess } from '../access/with-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { parseLimit } from '../parse-options.ts';
import { tableLines } from '../table.ts';

export function registerListings(program: Command, context: CliContext): void {
  function listing<T>(
    name: string,
    description: string,
    read: (access: SystemAccess) => Promise<T>,
    lines: (value: T) => string[],
  ): void {
    program
      .command(name)
      .description(description)
      .option(...JSON_FLAG)
      .action(async (flags: { json?: boolean }) => {
        const value = await withAccess(context.env, read);
        show(context, flags, value, () => lines(value));
      });
  }

  program
    .command('budgets')
    .description('limits, what is held, and what is spent')
    .option('--limit <n>', 'how many users that the configuration does not name (default 100)', parseLimit)
    .option('--after <cursor>', 'the next page of users: `next` of the one before')
    .option(...JSON_FLAG)
    .action(async ({ json = false, ...page }: { limit?: number; after?: string; json?: boolean }) => {
      const listed = await withAccess(context.env, (access) => access.budgets(page));
      show(context, { json }, listed, () => [
        ...budgetTable(listed.budgets),
        ...(listed.next === null ? [] : [`more: --after ${listed.next}`]),
      ]);
    });
  listing(
    'providers',
    'configured providers, and the kinds that exist',
    (access) => access.providers(),
    ({ configured, kinds }) => [
      ...tableLines(
        ['PROVIDER', 'KIND', 'ADDRESS', 'CREDENTIAL'],
        configured.map(({ name, kind, baseUrl, credential }) => [name, kind, baseUrl || '-', credential ?? '-']),
      ),
      '',
      ...tableLines(
        ['KIND', 'CAPABILITIES'],
        kinds.map(({ kind, capabilities }) => [kind, capabilities.join(', ')]),
      ),
    ],
  );
  listing(
    'models',
    'aliases and their targets',
    (access) => access.models(),
    ({ models }) =>
      tableLines(
        ['MODEL', 'TARGETS'],
        models.map(({ name, targets }) => [name, targets.join(', then ')]),
      ),
  );
}

function budgetTable(budgets: readonly BudgetStatus[]): string[] {
  return tableLines(
    ['SCOPE', 'PERIOD', 'LIMIT', 'HELD', 'SPENT', 'RESETS'],
    budgets.map(({ scope, period, limitNanoUsd, heldNanoUsd, spentNanoUsd, resetsAt }) => [
      scope,
      period,
      usd(limitNanoUsd),
      usd(heldNanoUsd),
      usd(spentNanoUsd),
      resetsAt ?? 'never',
    ]),
  );
}

function usd(nanoUsd: string): string {
  return `$${formatUsd(parseNanoUsd(nanoUsd))}`;
}
