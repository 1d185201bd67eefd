/** `holdfast secrets set|list|remove`: named credentials of providers, encrypted in the home. */
import type { Command } from 'commander';
import { HoldfastError } from '../../core/errors.ts';
import { openHomeStores, type HomeStores } from '../access/home-stores.ts';
import { LOCAL_ACTOR } from '../access/local-access.ts';
import { localHome } from '../access/open-access.ts';
import { createHistorySealer, historyKeyBytes } from '../../stores/crypto/history-key.ts';
import { loadMasterKey } from '../../stores/crypto/master-key.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { readSecret } from '../read-secret.ts';
import { tableLines } from '../table.ts';

export function registerSecrets(program: Command, context: CliContext): void {
  const secrets = program
    .command('secrets')
    .description('credentials of providers, for secret:NAME in the configuration');
  secrets
    .command('set <name>')
    .description('store a value as the newest version; asks for it, without showing it')
    .option('--secret-stdin', 'read the value from stdin')
    .option(...JSON_FLAG)
    .action(async (name: string, { secretStdin = false, json = false }: { secretStdin?: boolean; json?: boolean }) => {
      await withHome(context, async (stores) => {
        const value = await readSecret(context, { name, fromStdin: secretStdin });
        const stored = await stores.secrets().set(name, value);
        await record(stores, 'secret.set', name, { version: stored.version });
        show(context, { json }, stored, () => [
          `${name}@${String(stored.version)} is stored; calls dispatched from now on use it`,
        ]);
      });
    });
  secrets
    .command('list')
    .description('names and versions, never values')
    .option(...JSON_FLAG)
    .action(async (flags: { json?: boolean }) => {
      await withHome(context, async (stores) => {
        const listed = await stores.secrets().list();
        show(context, flags, { secrets: listed }, () =>
          tableLines(
            ['NAME', 'VERSION', 'SET'],
            listed.map(({ name, version, createdAt }) => [name, String(version), createdAt]),
          ),
        );
      });
    });
  secrets
    .command('history-key')
    .description('print the key of encrypted histories, for trusted programs that speak to Temporal themselves')
    .option(...JSON_FLAG)
    .action((flags: { json?: boolean }) => showHistoryKey(context, flags));
  secrets
    .command('remove <name>')
    .description('forget all versions')
    .action(async (name: string) => {
      await withHome(context, async (stores) => {
        if (!(await stores.secrets().remove(name)))
          throw new HoldfastError('not_found', `There is no secret named "${name}".`);
        await record(stores, 'secret.remove', name, {});
        show(context, {}, null, () => [`${name} is removed`]);
      });
    });
}

/** For trusted programs that seal histories themselves; the master key cannot be had from it. */
async function showHistoryKey(context: CliContext, flags: { json?: boolean }): Promise<void> {
  const home = localHome(context.env, 'The history key is shown');
  const key = historyKeyBytes(loadMasterKey({ home, env: context.env, makes: false }));
  await withHome(context, async (stores) => {
    const { id } = createHistorySealer(key);
    await record(stores, 'history-key.show', id, {});
    const shown = Buffer.from(key).toString('base64');
    show(context, flags, { id, key: shown }, () => [shown]);
  });
}

async function withHome(context: CliContext, work: (stores: HomeStores) => Promise<void>): Promise<void> {
  const stores = openHomeStores(localHome(context.env, 'Secrets are kept'), context.env);
  try {
    await work(stores);
  } finally {
    await stores.close();
  }
}

async function record(
  stores: HomeStores,
  action: string,
  subject: string,
  details: { version?: number },
): Promise<void> {
  const ledger = await stores.ledger({ mayCreate: true });
  await ledger.appendAudit({ actor: LOCAL_ACTOR, action, subject, details });
}
