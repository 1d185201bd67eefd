/** Where `redis-server` is; on Debian it is fetched without installing a service. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { defaultCacheDir } from '../../../src/temporal/binary/find-server-binary.ts';

export interface RedisBinary {
  path: string;
  /** Where its libraries are, when it came without being installed. */
  libraries: string | null;
}

/** What redis-server of Debian needs beyond a base system. */
const PACKAGES = ['redis-tools', 'libjemalloc2', 'liblzf1'];
const APT_TIMEOUT_MS = 120_000;

/** Fetches the server at first use. @throws Error when there is no way to get it. */
export function findRedisServer(env: NodeJS.ProcessEnv = process.env): RedisBinary {
  for (const directory of (env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const path = join(directory, 'redis-server');
    if (existsSync(path)) return { path, libraries: null };
  }
  const target = join(defaultCacheDir(env), 'redis-debian');
  if (!existsSync(target)) fetchInto(target, env);
  const multiarch = readdirSync(join(target, 'usr/lib')).find((name) => name.endsWith('-linux-gnu'));
  return { path: join(target, 'usr/bin/redis-check-rdb'), libraries: join(target, 'usr/lib', multiarch ?? '') };
}

/** Why the Redis tests cannot run here, for `describe.skipIf`. With HOLDFAST_TEST_REQUIRE=all it throws instead. */
export function redisUnavailableReason(env: NodeJS.ProcessEnv = process.env): string | undefined {
  try {
    findRedisServer(env);
    return undefined;
  } catch (error) {
    const reason = `Redis tests need redis-server on the PATH, or apt-get to fetch it: ${firstLine(error)}`;
    if (env['HOLDFAST_TEST_REQUIRE'] === 'all') throw new Error(reason, { cause: error });
    process.stderr.write(`skipped: ${reason}\n`);
    return reason;
  }
}

function fetchInto(target: string, env: NodeJS.ProcessEnv): void {
  mkdirSync(defaultCacheDir(env), { recursive: true });
  const work = mkdtempSync(`${target}-`);
  const run = (command: string, args: string[]) =>
    execFileSync(command, args, { cwd: work, env, stdio: 'pipe', timeout: APT_TIMEOUT_MS });
  try {
    try {
      run('apt-get', ['download', ...PACKAGES]);
    } catch {
      // The lists of packages may be older than the mirror.
      run('apt-get', ['update', '-qq']);
      run('apt-get', ['download', ...PACKAGES]);
    }
    for (const name of readdirSync(work).filter((file) => file.endsWith('.deb'))) {
      run('dpkg-deb', ['-x', name, join(work, 'root')]);
    }
    try {
      renameSync(join(work, 'root'), target);
    } catch (error) {
      // Another test process was faster: its copy is as good.
      if (!existsSync(target)) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
