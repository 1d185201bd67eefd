/** `holdfast backup`: a copy of the live ledger. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { openHomeStores } from '../access/home-stores.ts';
import { localHome } from '../access/open-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';

export function registerBackup(program: Command, context: CliContext): void {
  program
    .command('backup <path>')
    .description('copy the ledger as it stands at one moment; a node may be running')
    .option(...JSON_FLAG)
    .action(async (given: string, flags: { json?: boolean }) => {
      const path = resolve(given);
      const stores = openHomeStores(localHome(context.env, 'The ledger is copied'), context.env);
      try {
        await (await stores.ledger()).backup(path);
      } finally {
        await stores.close();
      }
      show(context, flags, { path }, () => [
        `the ledger is copied to ${path}`,
        'Keep the master key apart from it: without the key its contents cannot be read.',
      ]);
    });
}
