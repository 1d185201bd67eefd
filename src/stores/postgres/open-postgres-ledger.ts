/** The fleet's ledger: one PostgreSQL database for any number of nodes. */
import { Kysely, PostgresDialect } from 'kysely';
import { HoldfastError } from '../../core/errors.ts';
import type { Tables } from '../sql/schema.ts';
import { createSqlLedger, type LedgerStores } from '../sql/sql-ledger.ts';
import { checkMasterKey } from './check-master-key.ts';
import { integerColumns } from './integer-columns.ts';
import { migrate, refuseOtherSchema, schemaVersion } from './migrate.ts';
import { migrations } from './migrations.ts';
import { fromPostgresError } from './postgres-error.ts';
import { postgresLocks } from './postgres-locks.ts';
import { DEFAULT_WAITS, createPostgresPool, poolForKysely } from './postgres-pool.ts';
import type { PostgresWaits } from './postgres-pool.ts';
import { checkPostgresUrl } from './postgres-url.ts';
import { createRunners } from './run-transaction.ts';

const DEFAULT_POOL_SIZE = 16;
/** One step may rebuild an index of a large table, and who starts meanwhile waits for all steps. */
const UPGRADE_WAITS = { lockMs: 3_600_000, statementMs: 3_600_000 };

/** `upgrade`: makes or upgrades it; `create`: makes it where there is none; `as-is`: changes nothing. */
export type SchemaUse = 'upgrade' | 'create' | 'as-is';

export interface PostgresLedgerOptions {
  /** `postgres://user:password@host:5432/database?sslmode=verify-full`. */
  url: string;
  /** 32 bytes, the same for every node; see `loadMasterKey`. */
  masterKey: Uint8Array;
  /** Unix milliseconds; default `Date.now`. */
  clock?: () => number;
  /** Connections of this process at most. Default 16. */
  poolSize?: number;
  /** Bounds of waiting; default 10 s for a connection, 5 s for a lock, 15 s for a statement. An upgrade may take an hour. */
  waits?: Partial<PostgresWaits>;
  /** Whether an older schema is brought up to date, or only an empty database given one; default `upgrade`. */
  schema?: SchemaUse;
  /** From 0 to 1; default `Math.random`. */
  random?: () => number;
}

/**
 * Connects, and brings the schema up to date unless `schema` says otherwise.
 * @throws HoldfastError `invalid_request` for a URL that is none; `not_found` where there is no ledger and none may be made;
 * `engine_unavailable` when the server cannot be reached or
 * refuses, when the schema is newer than this version, or when the master key is not that of the other nodes.
 */
export async function openPostgresLedger(options: PostgresLedgerOptions): Promise<LedgerStores> {
  const db = openPostgres(options);
  try {
    await useSchema(db, options);
    await checkMasterKey(db, options.masterKey);
  } catch (error) {
    await db.destroy();
    throw fromPostgresError(error);
  }
  return createSqlLedger({
    db,
    locks: postgresLocks,
    ...createRunners(db, options.random ?? Math.random),
    masterKey: options.masterKey,
    now: options.clock ?? Date.now,
    translateError: fromPostgresError,
    overwriteOld: () => Promise.resolve('until-vacuum'),
    backup: () => Promise.reject(backupElsewhere()),
  });
}

async function useSchema(db: Kysely<Tables>, options: PostgresLedgerOptions): Promise<void> {
  const { schema = 'upgrade', url, waits } = options;
  const found = await schemaVersion(db);
  if (found === migrations.length) return;
  const mayChange = schema === 'upgrade' || (schema === 'create' && found === 0);
  if (!mayChange) {
    refuseOtherSchema(found);
    return;
  }
  const upgrading = openPostgres({ url, poolSize: 1, waits: { ...waits, ...UPGRADE_WAITS } });
  try {
    await migrate(upgrading);
  } finally {
    await upgrading.destroy();
  }
}

/** The schema's version as it stands, 0 without one. Changes nothing. @throws HoldfastError as `openPostgresLedger`. */
export async function postgresSchemaVersion(url: string): Promise<number> {
  const db = openPostgres({ url, poolSize: 1 });
  try {
    return await schemaVersion(db);
  } catch (error) {
    throw fromPostgresError(error);
  } finally {
    await db.destroy();
  }
}

function openPostgres(options: Pick<PostgresLedgerOptions, 'url' | 'poolSize' | 'waits'>): Kysely<Tables> {
  const waits = { ...DEFAULT_WAITS, ...options.waits };
  const pool = createPostgresPool(checkPostgresUrl(options.url), options.poolSize ?? DEFAULT_POOL_SIZE, waits);
  return new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: poolForKysely(pool) }),
    plugins: [integerColumns],
  });
}

function backupElsewhere(): HoldfastError {
  return new HoldfastError(
    'invalid_request',
    'A ledger in PostgreSQL is copied by the tools of its server: pg_dump --format=custom, or continuous archiving.',
  );
}
