/** `holdfast restore`: a backup in the place of the ledger. What was there is set aside, never removed. */
import { existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { loadLedgerStore } from '../../config/load-ledger-store.ts';
import { HoldfastError } from '../../core/errors.ts';
import { ledgerPath } from '../../ledger/open-ledger.ts';
import { loadMasterKey } from '../../stores/crypto/master-key.ts';
import { BESIDE, removeDatabase, syncToDisk } from '../../stores/sqlite/database-files.ts';
import { stageBackup } from '../../stores/sqlite/restore.ts';
import { historiesPath } from '../../temporal/server/embedded-server.ts';
import { lockHome } from '../../temporal/server/home-lock.ts';
import { isRunning } from '../../temporal/process/process-identity.ts';
import { readServerState } from '../../temporal/server/server-state.ts';
import { stopProcess } from '../../temporal/process/stop-process.ts';
import { LOCAL_ACTOR } from '../access/local-access.ts';
import { localHome } from '../access/open-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';

export function registerRestore(program: Command, context: CliContext): void {
  program
    .command('restore <path>')
    .description('put a backup in the place of the ledger; no node may run. What was there is kept beside it')
    .option(...JSON_FLAG)
    .action(async (given: string, flags: { json?: boolean }) => {
      const home = localHome(context.env, 'The ledger is restored');
      if (loadLedgerStore(context.env).kind === 'postgres') {
        throw new HoldfastError(
          'invalid_request',
          'The ledger is in PostgreSQL: restore it with pg_restore, into an empty database.',
        );
      }
      const lock = lockHome(home);
      try {
        const setAside = await restore(resolve(given), home, context.env);
        show(context, flags, { ledger: ledgerPath(home), setAside }, () => [
          'the ledger is the backup; the histories of calls since then are gone with what was there',
          setAside === null ? 'there was none before' : `what was there: ${setAside}`,
        ]);
      } finally {
        lock.release();
      }
    });
}

/** @returns the folder of what was there before; null where nothing was. A crash on the way leaves the old ledger or the new one. */
async function restore(backup: string, home: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  const masterKey = loadMasterKey({ home, env, makes: false });
  const ledger = ledgerPath(home);
  const histories = historiesPath(home);
  const staged = `${ledger}.restoring`;
  await stageBackup(backup, staged, { masterKey, actor: LOCAL_ACTOR });
  // Its histories are younger than the backup: a call that they have and the ledger has not could never end.
  const server = readServerState(home);
  if (server && isRunning(server)) await stopProcess(server);
  const setAside = await linkAside(home, [ledger, histories]);
  // The log of the old ledger must not be read into the new one.
  for (const suffix of BESIDE) rmSync(`${ledger}${suffix}`, { force: true });
  renameSync(staged, ledger);
  removeDatabase(histories);
  await syncToDisk(home);
  return setAside;
}

/** A second name for each of these databases, so that nothing is lost whenever this ends. */
async function linkAside(home: string, databases: readonly string[]): Promise<string | null> {
  const files = databases.flatMap((path) => ['', ...BESIDE].map((suffix) => `${path}${suffix}`)).filter(existsSync);
  if (files.length === 0) return null;
  const folder = join(home, `before-restore-${new Date().toISOString().replaceAll(':', '-')}`);
  mkdirSync(folder, { mode: 0o700 });
  for (const file of files) linkSync(file, join(folder, file.slice(home.length + 1)));
  await syncToDisk(folder);
  return folder;
}
