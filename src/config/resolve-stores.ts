import type { LedgerStore } from '../core/settings.ts';
import type { ConfigProblem } from './config-error.ts';
import type { StoresFile } from './schema.ts';

const PATH = 'stores.postgresUrl';

/** A URL beside `ledger: sqlite` is not used, and so not looked at. */
export function ledgerStoreProblems(
  { ledger, postgresUrl }: StoresFile,
  env: Readonly<Record<string, string | undefined>>,
): ConfigProblem[] {
  if (ledger === 'sqlite') return [];
  if (postgresUrl === undefined) {
    return [
      {
        path: PATH,
        problem: 'it is missing, and stores.ledger is postgres',
        fix: 'Write env:DATABASE_URL or secret:NAME.',
      },
    ];
  }
  const variable = postgresUrl.startsWith('env:') ? postgresUrl.slice('env:'.length) : null;
  if (variable === null || env[variable]) return [];
  return [
    { path: PATH, problem: `the environment has no ${variable}`, fix: `Set ${variable}, or use ledger: sqlite.` },
  ];
}

export function resolveLedgerStore({ ledger, postgresUrl }: StoresFile): LedgerStore {
  return ledger === 'postgres' && postgresUrl !== undefined
    ? { kind: 'postgres', urlReference: postgresUrl }
    : { kind: 'sqlite' };
}
