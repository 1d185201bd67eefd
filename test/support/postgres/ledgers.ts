/** Test support: one cluster for the tests of a file, and empty ledgers in it. */
import pg from 'pg';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { PATIENT_WAITS, START } from '../../../src/stores/contract/fixture.ts';
import type { StoreUnderTest } from '../../../src/stores/contract/fixture.ts';
import { openPostgresLedger } from '../../../src/stores/postgres/open-postgres-ledger.ts';
import type { PostgresLedgerOptions } from '../../../src/stores/postgres/open-postgres-ledger.ts';
import { startCluster } from './cluster.ts';
import type { PostgresCluster } from './cluster.ts';

export const TEST_MASTER_KEY: Uint8Array = new Uint8Array(32).fill(1);
/** Property tests hold many ledgers open at once. */
const POOL_SIZE = 6;

/** Starts a cluster before the tests of this file (or `describe`), and ends it after them. Gives how to reach it. */
export function useCluster(): () => PostgresCluster {
  let cluster: PostgresCluster | undefined;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster?.close());
  return () => {
    if (!cluster) throw new Error('the cluster runs only while tests do');
    return cluster;
  };
}

/** A ledger at this URL with a clock of its own; closed after the test. */
export async function ledgerAt(
  url: string,
  change: Partial<PostgresLedgerOptions> = {},
): Promise<StoreUnderTest & { url: string }> {
  const clock = { now: START };
  const opened = await openPostgresLedger({
    url,
    masterKey: TEST_MASTER_KEY,
    clock: () => clock.now,
    poolSize: POOL_SIZE,
    ...change,
    waits: { ...PATIENT_WAITS, ...change.waits },
  });
  onTestFinished(() => opened.ledger.close());
  const storedBytes = async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query<{ bytes: string }>(
        'select coalesce(sum(length(sealed)), 0) as bytes from payloads',
      );
      return Number(rows[0]?.bytes);
    } finally {
      await client.end();
    }
  };
  return { ...opened, clock, url, storedBytes };
}

/** An empty ledger in a schema of its own. */
export async function newLedger(cluster: PostgresCluster): Promise<StoreUnderTest & { url: string }> {
  return ledgerAt(await cluster.newSchema());
}

/** A connection of the test's own, to hold locks or to change what is stored; closed after the test. */
export async function rawClient(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

export async function isAnyoneWaiting(cluster: PostgresCluster, url: string): Promise<boolean> {
  return (await countWaiting(cluster, url)) > 0;
}

/** How many sessions wait for locks. */
export async function countWaiting(cluster: PostgresCluster, url: string): Promise<number> {
  const waiting = "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'";
  return Number((await cluster.query(url, waiting))[0]?.['n']);
}
