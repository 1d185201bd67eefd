import type { LedgerStore } from '../core/settings.ts';
import { configError, pathText } from './config-error.ts';
import { readConfigValue } from './load.ts';
import { ledgerStoreProblems, resolveLedgerStore } from './resolve-stores.ts';
import { storesSchema } from './schema.ts';

/**
 * Where the ledger is, for commands that need nothing else of the configuration: calls can be looked at while the rest of
 * it is broken.
 * @throws HoldfastError `invalid_request` when the file cannot be read, or is wrong in `stores`.
 */
export function loadLedgerStore(env: Readonly<Record<string, string | undefined>>): LedgerStore {
  const file = readConfigValue(env);
  if (!file) return { kind: 'sqlite' };
  const given =
    typeof file.value === 'object' && file.value !== null && 'stores' in file.value ? file.value.stores : {};
  const parsed = storesSchema.safeParse(given);
  if (!parsed.success) {
    throw configError(
      file.origin,
      parsed.error.issues.map(({ path, message }) => ({
        path: pathText(['stores', ...path]),
        problem: message,
        fix: 'See `holdfast config schema`.',
      })),
    );
  }
  const problems = ledgerStoreProblems(parsed.data, env);
  if (problems.length > 0) throw configError(file.origin, problems);
  return resolveLedgerStore(parsed.data);
}
