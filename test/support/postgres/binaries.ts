import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian keeps what it does not put on the PATH. */
const DEBIAN_VERSIONS = '/usr/lib/postgresql';

/** The folder of `initdb` and `postgres`: of the PATH, else the newest that Debian installed; undefined without one. */
export function findPostgresBinaries(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const onPath = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const ofDebian = env.PATH === '' || !existsSync(DEBIAN_VERSIONS) ? [] : readdirSync(DEBIAN_VERSIONS);
  const newestFirst = ofDebian.sort((a, b) => Number(b) - Number(a)).map((name) => join(DEBIAN_VERSIONS, name, 'bin'));
  return [...onPath, ...newestFirst].find((folder) =>
    ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))),
  );
}

/**
 * Why tests with PostgreSQL cannot run here, for `describe.skipIf`; undefined when they can. With
 * HOLDFAST_TEST_REQUIRE=all it throws instead, so that nothing is skipped unseen.
 */
export function postgresUnavailableReason(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (findPostgresBinaries(env) !== undefined) return undefined;
  const reason = 'PostgreSQL tests need initdb and postgres, on the PATH or under /usr/lib/postgresql/*/bin';
  if (env.HOLDFAST_TEST_REQUIRE === 'all') throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return reason;
}

/** PostgreSQL refuses to run as root; these users exist nearly everywhere. Undefined where we are not root. */
export function postgresUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => idOf(flag, name));
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody');
}

function idOf(flag: string, name: string): number | undefined {
  try {
    return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch (error) {
    // `id` exits with 1 when there is no such user.
    if (error instanceof Error && 'status' in error && error.status === 1) return undefined;
    throw error;
  }
}
