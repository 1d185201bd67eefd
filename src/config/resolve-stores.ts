import type { HotStore, LedgerStore } from '../core/settings.ts';
import type { ConfigProblem } from './config-error.ts';
import type { StoresFile } from './schema.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A URL beside `ledger: sqlite` is not used, and so not looked at. */
export function ledgerStoreProblems({ ledger, postgresUrl }: StoresFile, env: Env): ConfigProblem[] {
  if (ledger === 'sqlite') return [];
  return urlProblems(
    'stores.postgresUrl',
    postgresUrl,
    'stores.ledger is postgres',
    ['DATABASE_URL', 'ledger: sqlite'],
    env,
  );
}

/** The same for Redis. */
export function hotStoreProblems({ hot, redisUrl }: StoresFile, env: Env): ConfigProblem[] {
  if (hot === 'memory') return [];
  return urlProblems('stores.redisUrl', redisUrl, 'stores.hot is redis', ['REDIS_URL', 'hot: memory'], env);
}

export function resolveLedgerStore({ ledger, postgresUrl }: StoresFile): LedgerStore {
  return ledger === 'postgres' && postgresUrl !== undefined
    ? { kind: 'postgres', urlReference: postgresUrl }
    : { kind: 'sqlite' };
}

export function resolveHotStore({ hot, redisUrl }: StoresFile): HotStore {
  return hot === 'redis' && redisUrl !== undefined ? { kind: 'redis', urlReference: redisUrl } : { kind: 'memory' };
}

function urlProblems(
  path: string,
  reference: string | undefined,
  because: string,
  [usual, otherwise]: readonly [string, string],
  env: Env,
): ConfigProblem[] {
  if (reference === undefined) {
    return [{ path, problem: `it is missing, and ${because}`, fix: `Write env:${usual} or secret:NAME.` }];
  }
  const variable = reference.startsWith('env:') ? reference.slice('env:'.length) : null;
  if (variable === null || env[variable]) return [];
  return [{ path, problem: `the environment has no ${variable}`, fix: `Set ${variable}, or use ${otherwise}.` }];
}
