/** Test support: the programs of a Temporal server as clusters run it, built once by Go. Beside them its SQL schema. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultCacheDir } from '../../../src/temporal/binary/find-server-binary.ts';
import { withInstallLock } from '../../../src/temporal/binary/install-lock.ts';
import { runCommand } from '../../../src/temporal/process/run-command.ts';

export const PRODUCTION_VERSION = '1.32.0';
/** The build at first use takes minutes on two cores; hooks that may build must wait for so long. */
export const BUILD_LIMIT_MS = 20 * 60_000;

const MODULE = 'go.temporal.io/server';
/** The machine's own Go builds it: a newer one in this line would be downloaded. */
const GO_MOD = `module holdfast.local/temporal-server

go 1.26.4

require ${MODULE} v${PRODUCTION_VERSION}
`;
const PROGRAMS = {
  'temporal-server': `${MODULE}/cmd/server`,
  'temporal-sql-tool': `${MODULE}/cmd/tools/sql`,
} as const;

export interface ProductionServer {
  /** Holds `temporal-server` and `temporal-sql-tool`. */
  directory: string;
  /** Holds `temporal/versioned` and `visibility/versioned`. */
  schema: string;
}

/** Why it cannot be had here, for `describe.skipIf`. With HOLDFAST_TEST_REQUIRE=all it throws instead. */
export function productionServerUnavailableReason(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (existsSync(directoryIn(env))) return undefined;
  try {
    execFileSync('go', ['version'], { env, stdio: 'pipe', timeout: 60_000 });
    return undefined;
  } catch (error) {
    const reason = 'a Temporal server as clusters run it is built by Go, and there is no go on the PATH';
    if (env['HOLDFAST_TEST_REQUIRE'] === 'all') throw new Error(reason, { cause: error });
    process.stderr.write(`skipped: ${reason}\n`);
    return reason;
  }
}

/** From the cache, or built into it. */
export async function productionServer(env: NodeJS.ProcessEnv = process.env): Promise<ProductionServer> {
  const directory = directoryIn(env);
  const found = { directory, schema: join(directory, 'schema', 'v12') };
  if (existsSync(directory)) return found;
  const lockDirectory = `${directory}.lock`;
  await mkdir(lockDirectory, { recursive: true });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  return await withInstallLock(lockDirectory, say, async () => {
    // Whoever held the lock may have built it.
    if (!existsSync(directory)) await build(directory, env, say);
    return found;
  });
}

async function build(directory: string, env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<void> {
  say('building the Temporal server of the fleet tests with Go: once, some minutes on two cores');
  const work = await mkdtemp(join(dirname(directory), 'build-'));
  const go = (...args: string[]) =>
    runCommand('go', args, { cwd: work, env: { ...env, CGO_ENABLED: '0', GOWORK: 'off' }, timeoutMs: BUILD_LIMIT_MS });
  try {
    await writeFile(join(work, 'go.mod'), GO_MOD);
    const out = join(work, 'out');
    for (const [name, path] of Object.entries(PROGRAMS)) {
      await go('get', '-tool', `${path}@v${PRODUCTION_VERSION}`);
      await go('build', '-ldflags', '-s -w', '-o', join(out, name), path);
    }
    const source = (await go('list', '-m', '-f', '{{.Dir}}', MODULE)).trim();
    await cp(join(source, 'schema', 'postgresql', 'v12'), join(out, 'schema', 'v12'), { recursive: true });
    await runCommand('chmod', ['-R', 'u+w', out], { timeoutMs: 10_000 });
    await rename(out, directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function directoryIn(env: NodeJS.ProcessEnv): string {
  return join(defaultCacheDir(env), `temporal-server-${PRODUCTION_VERSION}`);
}
