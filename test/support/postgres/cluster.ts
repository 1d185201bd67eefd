/** Test support: a PostgreSQL server of the test's own, on a free port of this machine, in a folder that goes with it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePorts } from '../../../src/temporal/server/free-ports.ts';
import { processStartTime } from '../../../src/temporal/process/process-identity.ts';
import { findPostgresBinaries, postgresUser } from './binaries.ts';

/** As text: the user that the server runs as need not be able to read this repository. */
const KEEPER = readFileSync(new URL('./keeper.sh', import.meta.url), 'utf8');
const START_LIMIT_MS = 60_000;
/** What happens to the machine is not tested here, so nothing has to wait for the disk. */
const SETTINGS = ['fsync=off', 'max_connections=400', 'shared_buffers=64MB', 'unix_socket_directories='];

export interface PostgresCluster {
  folder: string;
  /** Process id of the server that runs now. */
  pid(): number;
  /** Makes a schema and gives the URL whose connections work in it. */
  newSchema(): Promise<string>;
  /** One statement, as the superuser, in the schema of the URL. */
  query(url: string, text: string): Promise<Record<string, unknown>[]>;
  /** SIGINT: as an administrator restarts it. SIGKILL: as a crash ends it. Resolves when it is gone. */
  stop(signal: 'SIGINT' | 'SIGKILL'): Promise<void>;
  /** Starts it again after `stop`, on the same port and data; resolves when it answers. */
  start(): Promise<void>;
  /** Ends the server and removes the folder. */
  close(): Promise<void>;
}

/** @param settings further `name=value` of the server. */
export async function startCluster(settings: readonly string[] = []): Promise<PostgresCluster> {
  const binaries = findPostgresBinaries();
  if (binaries === undefined) throw new Error('there are no PostgreSQL binaries');
  const user = postgresUser();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'));
  if (user) chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o700);
  const [port = 0] = await freePorts(1);
  const data = join(folder, 'data');
  const options = [...SETTINGS, ...settings].flatMap((setting) => ['-c', setting]);
  const server = [join(binaries, 'postgres'), '-D', data, '-p', String(port), '-h', '127.0.0.1', ...options];
  // Its own process group: a Ctrl-C in the terminal is not for it.
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper.sh', folder, ...server], {
    ...user,
    cwd: folder,
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(keeper, 'exit');
  const answers = createInterface(keeper.stdout)[Symbol.asyncIterator]();
  const close = async (): Promise<void> => {
    keeper.stdin.end();
    await ended;
  };
  const url = `postgres://holdfast@127.0.0.1:${String(port)}/postgres`;
  let pid = 0;
  let schemas = 0;

  const query = async (target: string, text: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: target, connectionTimeoutMillis: START_LIMIT_MS });
    try {
      await client.connect();
      const { rows } = await client.query<Record<string, unknown>>(text);
      return rows;
    } finally {
      await client.end();
    }
  };
  const start = async (): Promise<void> => {
    keeper.stdin.write('start\n');
    pid = Number((await answers.next()).value);
    const deadline = Date.now() + START_LIMIT_MS;
    for (;;) {
      try {
        await query(url, 'select 1');
        return;
      } catch (error) {
        if (Date.now() > deadline) throw new Error(readFileSync(join(folder, 'server.log'), 'utf8'), { cause: error });
        await setTimeout(20);
      }
    }
  };
  try {
    const initdb = ['-D', data, '-U', 'holdfast', '--auth=trust', '--no-sync', '--no-locale', '--encoding=UTF8'];
    await promisify(execFile)(join(binaries, 'initdb'), initdb, { ...user, cwd: folder });
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    folder,
    pid: () => pid,
    async newSchema() {
      const name = `s${String((schemas += 1))}`;
      await query(url, `create schema ${name}`);
      return `${url}?options=${encodeURIComponent(`-c search_path=${name}`)}`;
    },
    query,
    async stop(signal) {
      // After a crash the others go by themselves, and a new server does not start before the last of them.
      const all = await query(url, 'select pid from pg_stat_activity');
      process.kill(pid, signal);
      for (const each of [pid, ...all.map((row) => Number(row['pid']))]) {
        while (processStartTime(each) !== undefined) await setTimeout(10);
      }
    },
    start,
    close,
  };
}
