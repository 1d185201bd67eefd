/** `holdfast keys create|list|revoke`: virtual keys, with which callers come to the gateway. */
import type { Command } from 'commander';
import type { ListedKey } from '../../gateway/administration.ts';
import { withAccess } from '../access/with-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { parseNames } from '../parse-options.ts';
import { fieldLines, tableLines } from '../table.ts';

interface CreateFlags {
  name: string;
  tenant: string;
  team?: string;
  models?: string[];
  expires?: string;
  admin?: boolean;
  json?: boolean;
}

export function registerKeys(program: Command, context: CliContext): void {
  const keys = program.command('keys').description('virtual keys');
  keys
    .command('create')
    .description('make a key; it is shown this once')
    .requiredOption('--name <name>', 'names the key in lists, calls and budgets')
    .option('--tenant <name>', 'who pays', 'default')
    .option('--team <name>', "the tenant's team whose budgets and limits it meets")
    .option('--models <names>', 'the models it may name, with commas between them (default: all)', parseNames)
    .option('--expires <time>', 'ISO time after which it is refused')
    .option('--admin', 'may also administer')
    .option(...JSON_FLAG)
    .action(async ({ name, tenant, team, models, expires, admin, json = false }: CreateFlags) => {
      const created = await withAccess(context.env, (access) =>
        access.createKey({
          name,
          tenant,
          team: team ?? null,
          models: models ?? null,
          roles: admin ? ['caller', 'admin'] : ['caller'],
          expiresAt: expires ?? null,
        }),
      );
      show(context, { json }, created, () =>
        fieldLines([
          ['key', created.key],
          ['name', created.entry.name],
          ['tenant', created.entry.tenant],
          ['hash', created.entry.hash],
        ]),
      );
      if (!json) context.note('Keep the key now: only its hash is stored.');
    });
  keys
    .command('list')
    .description('all keys; those of the configuration are changed there')
    .option(...JSON_FLAG)
    .action(async (flags: { json?: boolean }) => {
      const listed = await withAccess(context.env, (access) => access.keys());
      show(context, flags, listed, () => keyTable(listed.keys));
    });
  keys
    .command('revoke <name>')
    .description('refuse a key from now on')
    .option(...JSON_FLAG)
    .action(async (name: string, flags: { json?: boolean }) => {
      const revoked = await withAccess(context.env, (access) => access.revokeKey(name));
      show(context, flags, revoked, () => [`${name} is revoked`]);
    });
}

function keyTable(keys: readonly ListedKey[]): string[] {
  const rows = keys.map((key) => [
    key.name,
    key.team === null ? key.tenant : `${key.tenant}/${key.team}`,
    key.models?.join(',') ?? 'all',
    key.roles.join(','),
    key.revokedAt === null ? 'valid' : 'revoked',
    key.expiresAt ?? 'never',
    key.source,
  ]);
  return tableLines(['NAME', 'TENANT', 'MODELS', 'ROLES', 'STATE', 'EXPIRES', 'FROM'], rows);
}
