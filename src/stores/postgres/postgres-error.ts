import { HoldfastError } from '../../core/errors.ts';

const RETRY_AFTER_MS = 1000;

/** SQLSTATE, or the first two characters of its class, with what to do. Nothing was committed, or nothing is known. */
const remedies: Readonly<Record<string, string>> = {
  '0A': 'the schema was changed meanwhile; try again',
  '08': 'the connection was lost; look whether the server runs and can be reached',
  '28': 'the server refuses this user; correct the user and the password in the URL that stores.postgresUrl names',
  '3D000': 'there is no such database; make it with createdb, or correct the URL that stores.postgresUrl names',
  '25006': 'the server is a read-only standby; point stores.postgresUrl at the primary',
  '25P03': 'a transaction stood idle for too long, as when a process is paused; it was rolled back',
  '40': 'transactions kept getting in the way of each other; try again',
  '42501': 'the user lacks a right; it must own the schema of the ledger',
  '42P01': 'a table is missing; restore a backup, or look at the search_path of the user',
  '53100': 'the disk of the server is full; free some space',
  '53200': 'the server is out of memory',
  '53300': 'the server has no connection left; raise max_connections, or run fewer nodes',
  '53': 'the server lacks resources; look at its log',
  '55P03': 'another transaction kept a lock for too long; look at pg_stat_activity for a stuck session',
  '57014': 'a statement took too long; look at the load of the server',
  '57': 'the server is stopping, starting or recovering; try again',
  '58': 'the server reports an error of its system; look at its log',
  XX: 'the server reports an internal error or damaged data; look at its log',
};

const HANDSHAKE_REMEDY =
  'the secure connection or the log-in failed; look at sslmode, sslrootcert and the password in the URL';

/** What `pg` and the network say before a server has answered. */
const LOST =
  /^(?:Connection terminated|Client (?:has encountered|was closed)|timeout exceeded when trying to connect|Query read timeout|Cannot use a pool after|driver has already been destroyed|Postgres connection has been discarded)/;
const NETWORK_CODE = /^E[A-Z_]+$/;
const REFUSED_HANDSHAKE = /SSL|TLS|SASL|CERT_|_CERT|certificate/;

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';
/** Another transaction made the same row first: tried again, the verb finds it. */
const UNIQUE_VIOLATION = '23505';
/** Another node has changed the schema since this connection planned the statement. */
const STALE_PLAN = '0A000';

/** Whether the same transaction may well succeed at the next try. It was rolled back. */
export function mayBeTriedAgain(error: unknown): boolean {
  const state = sqlState(error);
  return state !== null && [SERIALIZATION_FAILURE, DEADLOCK, UNIQUE_VIOLATION, STALE_PLAN].includes(state);
}

/** The server answered, and the connection may be used again. */
export function leavesConnectionSound(error: unknown): boolean {
  const state = sqlState(error);
  return state !== null && state !== STALE_PLAN;
}

/** `engine_unavailable` with cause and remedy for a failing server; any other error as it is. */
export function fromPostgresError(error: unknown): unknown {
  const remedy = remedyOf(error);
  if (remedy === undefined) return error;
  const unavailable = new HoldfastError(
    'engine_unavailable',
    `The ledger could not be read or written (PostgreSQL${codeText(error)}): ${remedy}.`,
    { retryAfterMs: RETRY_AFTER_MS },
  );
  unavailable.cause = error;
  return unavailable;
}

function remedyOf(error: unknown): string | undefined {
  const state = sqlState(error);
  if (state !== null) return remedies[state] ?? remedies[state.slice(0, 2)];
  if (!(error instanceof Error)) return undefined;
  if (REFUSED_HANDSHAKE.test(`${codeOf(error) ?? ''} ${error.message}`)) return HANDSHAKE_REMEDY;
  return LOST.test(error.message) || NETWORK_CODE.test(codeOf(error) ?? '') ? remedies['08'] : undefined;
}

function codeText(error: unknown): string {
  const code = codeOf(error);
  return code === null ? '' : ` error ${code}`;
}

/** Five characters that are no network code: `ENOENT` has six, `EPIPE` has five. */
function sqlState(error: unknown): string | null {
  const code = codeOf(error);
  return code !== null && /^[0-9A-Z]{5}$/.test(code) && !NETWORK_CODE.test(code) ? code : null;
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
