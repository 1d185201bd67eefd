/** Connections to the ledger's database. Every wait is bounded: for a connection, a statement, a lock, a silent network. */
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { leavesConnectionSound } from './postgres-error.ts';

export interface PostgresWaits {
  /** For a connection, new or free. Milliseconds. */
  connectMs: number;
  /** For a row or advisory lock, as the server measures it. Milliseconds. */
  lockMs: number;
  /** For one statement, locks included, as the server measures it. Milliseconds. */
  statementMs: number;
}

export const DEFAULT_WAITS: PostgresWaits = { connectMs: 10_000, lockMs: 5_000, statementMs: 15_000 };

/** Beyond the server's own limit only a dead network is left. */
const NETWORK_GRACE_MS = 2_000;
/** A process that is paused with locks in its hands must not stop the others for longer. */
const IDLE_IN_TRANSACTION_MS = 15_000;
const IDLE_CONNECTION_MS = 30_000;
/** What stands between node and server forgets connections that are silent; a long statement is. */
const KEEP_ALIVE_AFTER_MS = 10_000;
const MAX_NAMED_STATEMENTS = 128;
const INT8: number = pg.types.builtins.INT8;

export function createPostgresPool(url: string, size: number, waits: PostgresWaits): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    application_name: 'holdfast',
    connectionTimeoutMillis: waits.connectMs,
    lock_timeout: waits.lockMs,
    statement_timeout: waits.statementMs,
    query_timeout: waits.statementMs + NETWORK_GRACE_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    types: { getTypeParser: typeParser },
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool awaits it; its types do not say so
    onConnect: keepCommitsDurable,
  });
  // A connection that dies while nobody waits for it: without a listener it would end the process. The pool drops it, and
  // who uses it at that moment gets the error from its own statement.
  pool.on('error', ignoreLostConnection);
  pool.on('connect', (client) => client.on('error', ignoreLostConnection));
  return pool;
}

function ignoreLostConnection(): void {}

/** An accepted call must survive a power loss, whatever the database's default. A stronger setting stays. */
async function keepCommitsDurable(client: pg.ClientBase): Promise<void> {
  await client.query(
    "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'",
  );
}

const typeParser: typeof pg.types.getTypeParser = (oid, format) => {
  const id: number = oid;
  return id === INT8 ? BigInt : (pg.types.getTypeParser(oid, format) as (text: string) => unknown);
};

/**
 * The pool as Kysely wants it. A connection after which the server did not answer is closed and not used again: a late
 * answer would be taken for that to the next statement.
 */
export function poolForKysely(pool: pg.Pool): PostgresPool {
  const known = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect();
      const wrapped = known.get(client) ?? wrapClient(client);
      known.set(client, wrapped);
      return wrapped;
    },
  };
}

function wrapClient(client: pg.PoolClient): PostgresPoolClient {
  let isDoubtful = false;
  const names = new Map<string, string>();
  const query = async (text: string, values: readonly unknown[]) => {
    try {
      return await client.query({ text, values: values.map(storable), ...statementName(names, text) });
    } catch (error) {
      isDoubtful ||= !leavesConnectionSound(error);
      throw error;
    }
  };
  return {
    // Cursors, its second form, are not used.
    query: query as unknown as PostgresPoolClient['query'],
    release: (destroy = false) => client.release(destroy || isDoubtful),
  };
}

/** Planning takes longer than running these statements: with a name it is done once for each connection. */
function statementName(names: Map<string, string>, text: string): { name: string } | undefined {
  const known = names.get(text);
  if (known !== undefined) return { name: known };
  // Texts that differ by the length of a list must not fill the server's memory.
  if (names.size >= MAX_NAMED_STATEMENTS || !text.includes('$1')) return undefined;
  const name = `h${String(names.size)}`;
  names.set(text, name);
  return { name };
}

/** PostgreSQL's text has no NUL character, and a provider may well send one: an answer must not be lost for it. */
function storable(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\u{FFFD}') : value;
}
