/** `holdfast secrets set|list|remove`: named credentials of providers, encrypted in the home. */
import type { Command } from 'commander';
import { loadLedgerStore } from '../../config/load-ledger-store.ts';
import { HoldfastError } from '../../core/errors.ts';
import { rekeyMaster } from '../../ledger/rekey-master.ts';
import { openHomeStores, type HomeStores } from '../access/home-stores.ts';
import { LOCAL_ACTOR } from '../access/local-access.ts';
import { localHome } from '../access/open-access.ts';
import { createHistorySealer, historyKeyBytes } from '../../stores/crypto/history-key.ts';
import {
  decodeKey,
  loadMasterKey,
  masterKeyFile,
  nextMasterKey,
  nextMasterKeyFile,
} from '../../stores/crypto/master-key.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { lockHome } from '../../temporal/server/home-lock.ts';
import { readSecret } from '../read-secret.ts';
import { tableLines } from '../table.ts';

/** Beside the environment's own master key; never on the command line, which other users see. */
const NEW_MASTER_KEY = 'HOLDFAST_NEW_MASTER_KEY';

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
    .command('rekey')
    .description('new data keys for what tenants and subjects said; what is stored is sealed again')
    .option('--master', `a new master key instead, read from ${NEW_MASTER_KEY}; nothing may run in the home`)
    .option(...JSON_FLAG)
    .action(({ master = false, json = false }: { master?: boolean; json?: boolean }) =>
      master ? changeMasterKey(context, { json }) : rotateDataKeys(context, { json }),
    );
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

async function rotateDataKeys(context: CliContext, flags: { json?: boolean }): Promise<void> {
  await withHome(context, async (stores) => {
    const rotation = await stores.rotateDataKeys(LOCAL_ACTOR);
    const { retired, resealed, unreadable, destroyed } = rotation;
    show(context, flags, rotation, () => [
      `${String(retired)} data keys seal no more; ${String(resealed)} payloads are sealed again, ${String(destroyed)} old keys are gone`,
      ...(unreadable > 0 ? [`${String(unreadable)} payloads do not open and were left as they are`] : []),
    ]);
  });
}

async function changeMasterKey(context: CliContext, flags: { json?: boolean }): Promise<void> {
  const { env } = context;
  const home = localHome(env, 'The master key is changed');
  const next = newMasterKey(home, env[NEW_MASTER_KEY]);
  const current = loadMasterKey({ home, env, makes: false });
  const lock = lockHome(home);
  try {
    const keyFile = masterKeyFile({ home, env });
    const store = loadLedgerStore(env);
    const report = await rekeyMaster({ home, store, env, current, next, keyFile, actor: LOCAL_ACTOR });
    show(context, flags, { ...report, keyFile }, () => [
      `${String(report.keys)} keys of the ledger and the secrets are wrapped by the new master key`,
      keyFile === null
        ? `set HOLDFAST_MASTER_KEY to it before the next start; until a node started with it, it is in ${nextMasterKeyFile(home)} too`
        : `it is in ${keyFile}`,
    ]);
  } finally {
    lock.release();
  }
}

/** Without one given, that of a change that was cut short. */
function newMasterKey(home: string, given: string | undefined): Uint8Array {
  const next = given ? decodeKey(given, NEW_MASTER_KEY) : nextMasterKey(home);
  if (next) return next;
  throw new HoldfastError(
    'invalid_request',
    `Put the new master key into ${NEW_MASTER_KEY}. Make one with: openssl rand -base64 32`,
  );
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
