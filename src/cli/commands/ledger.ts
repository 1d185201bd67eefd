/** `holdfast ledger upgrade|prune|release-engine`: what an operator does to the ledger itself. */
import type { Command } from 'commander';
import { loadLedgerStore } from '../../config/load-ledger-store.ts';
import { loadSettings } from '../../config/load.ts';
import { providerAdapters } from '../../providers/registry.ts';
import { openHomeStores, type HomeStores } from '../access/home-stores.ts';
import { ledgerVersion } from '../access/ledger-version.ts';
import { LOCAL_ACTOR } from '../access/local-access.ts';
import { localHome } from '../access/open-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';

export function registerLedger(program: Command, context: CliContext): void {
  const { env } = context;
  const ledger = program.command('ledger').description('the ledger itself: schema, retention, engine');
  const home = () => localHome(env, 'The ledger is administered');
  const withStores = async <T>(work: (stores: HomeStores) => Promise<T>): Promise<T> => {
    const stores = openHomeStores(home(), env);
    try {
      return await work(stores);
    } finally {
      await stores.close();
    }
  };

  ledger
    .command('upgrade')
    .description('bring the schema to the version of this Holdfast, as the first node of it would at its start')
    .option(...JSON_FLAG)
    .action(async (flags: { json?: boolean }) => {
      const store = loadLedgerStore(env);
      const { found, known } = await ledgerVersion(store, home(), env);
      await withStores((stores) => stores.ledger({ mayCreate: true, mayUpgrade: true }));
      show(context, flags, { from: found, to: known }, () => [
        found === known
          ? `the ledger has schema version ${String(known)}: nothing to do`
          : `the ledger was brought from schema version ${String(found)} to ${String(known)}`,
      ]);
    });

  ledger
    .command('prune')
    .description('delete what is past its retention now, as the maintenance sweep does; nodes may be running')
    .option(...JSON_FLAG)
    .action(async (flags: { json?: boolean }) => {
      const { retention } = loadSettings({ env, adapters: providerAdapters });
      const pruned = await withStores(async (stores) => (await stores.ledger()).prune(Date.now(), retention.callMs));
      show(context, flags, pruned, () => [
        `deleted: ${String(pruned.calls)} calls, ${String(pruned.payloads)} stored requests and answers, ` +
          `${String(pruned.idempotency)} idempotency keys, ${String(pruned.windows)} budget periods`,
        ...pruned.damaged.map((id) => `the stored request of the open call ${id} is damaged`),
      ]);
    });

  ledger
    .command('release-engine')
    .description('let the ledger move to another Temporal cluster or namespace; stop every node first')
    .option(...JSON_FLAG)
    .action(async (flags: { json?: boolean }) => {
      const engine = await withStores(async (stores) => {
        const opened = await stores.ledger();
        const released = await opened.releaseEngine();
        await opened.appendAudit({
          actor: LOCAL_ACTOR,
          action: 'ledger.release-engine',
          subject: released ?? 'none',
          details: {},
        });
        return released;
      });
      show(context, flags, { engine }, () => [
        engine === null ? 'the ledger belonged to no engine' : `the ledger belongs to ${engine} no more`,
        'The first node that starts ties it to its own. Calls that were in flight are settled there as lost.',
      ]);
    });
}
