/** `holdfast backup`: a copy of the live ledger. */
import type { Command } from 'commander';
import { openHomeStores } from '../access/home-stores.ts';
import { localHome } from '../access/open-access.ts';
import { checkBackupTarget } from '../check-backup-target.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';

export function registerBackup(program: Command, context: CliContext): void {
  program
    .command('backup <path>')
    .description('copy the ledger as it stands at one moment; a node may be running')
    .option('--force', 'replace the file if it is there; never one of the home')
    .option(...JSON_FLAG)
    .action(async (given: string, flags: { force?: boolean; json?: boolean }) => {
      const { force: replace = false } = flags;
      const home = localHome(context.env, 'The ledger is copied');
      const stores = openHomeStores(home, context.env);
      let path: string;
      try {
        const ledger = await stores.ledger();
        path = checkBackupTarget(given, home, replace);
        await ledger.backup(path, replace);
      } finally {
        await stores.close();
      }
      show(context, flags, { path }, () => [
        `the ledger is copied to ${path}`,
        'Keep the master key apart from it: without the key its contents cannot be read.',
      ]);
    });
}
