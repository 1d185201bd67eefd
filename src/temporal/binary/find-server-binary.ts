import { constants } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { buildWithGo } from './build-with-go.ts';
import { downloadServer } from './download-server.ts';
import type { FetchInput } from './download-server.ts';
import { withInstallLock } from './install-lock.ts';
import { CLI_VERSION, readServerVersion } from './server-version.ts';

export interface ServerBinary {
  path: string;
  /** Of the CLI, such as `1.8.2`. */
  version: string;
  origin: 'HOLDFAST_TEMPORAL_CLI' | 'PATH' | 'cache' | 'download' | 'go';
}

export interface FindOptions {
  env: NodeJS.ProcessEnv;
  /** Default `defaultCacheDir(env)`. */
  cacheDir?: string;
  onProgress?: (line: string) => void;
  /** The two ways to get a binary that is not there; tests replace them. */
  download?: (input: FetchInput) => Promise<void>;
  build?: (input: FetchInput) => Promise<void>;
}

/** `$XDG_CACHE_HOME/holdfast`, else `~/.cache/holdfast`. */
export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'holdfast');
}

/**
 * Finds a `temporal` binary, or gets one: HOLDFAST_TEMPORAL_CLI, PATH, our cache, download, build with Go. A bad
 * HOLDFAST_TEMPORAL_CLI is an error at once. Otherwise `engine_unavailable` lists every way with its reason.
 */
export async function findServerBinary(options: FindOptions): Promise<ServerBinary> {
  const { env, cacheDir = defaultCacheDir(env), onProgress = () => undefined } = options;
  const { download = downloadServer, build = buildWithGo } = options;
  if (env.HOLDFAST_TEMPORAL_CLI) return await fromOverride(env.HOLDFAST_TEMPORAL_CLI, env);

  const target = join(cacheDir, `temporal-cli-${CLI_VERSION}`, 'temporal');
  const failures = new Map<string, string>();
  const attempt = async (name: string, way: () => Promise<ServerBinary>): Promise<ServerBinary | undefined> => {
    try {
      return await way();
    } catch (error) {
      failures.set(name, reasonOf(error));
      return undefined;
    }
  };
  const existing = (origin: ServerBinary['origin'], path: string) => examine(origin, path, env);
  const fetched = async (origin: ServerBinary['origin'], get: (input: FetchInput) => Promise<void>) => {
    await get({ env, target, onProgress });
    return await existing(origin, target);
  };

  const found =
    (await attempt('temporal on PATH', async () => await existing('PATH', await findOnPath('temporal', env)))) ??
    (await attempt(`cache ${target}`, () => existing('cache', target)));
  if (found !== undefined) return found;

  await mkdir(dirname(target), { recursive: true });
  return await withInstallLock(dirname(target), onProgress, async () => {
    await removeLeftovers(dirname(target));
    // Whoever held the lock may have filled the cache.
    const got =
      (await attempt(`cache ${target}`, () => existing('cache', target))) ??
      (await attempt('download', () => fetched('download', download))) ??
      (await attempt('build with Go', () => fetched('go', build)));
    if (got !== undefined) return got;
    throw new HoldfastError(
      'engine_unavailable',
      [
        'There is no Temporal server to run, and none could be had:',
        ...Array.from(failures, ([name, reason]) => `- ${name}: ${reason}`),
        'Install the Temporal CLI (https://docs.temporal.io/cli) or Go 1.26 or newer, or set HOLDFAST_TEMPORAL_CLI to ' +
          'a `temporal` binary, or set TEMPORAL_ADDRESS to use a cluster.',
      ].join('\n'),
    );
  });
}

/** What a killed installer leaves, up to a few hundred MB. */
async function removeLeftovers(directory: string): Promise<void> {
  const names = await readdir(directory);
  const leftovers = names.filter((name) => /^(build|download)-/.test(name));
  await Promise.all(leftovers.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}

async function fromOverride(path: string, env: NodeJS.ProcessEnv): Promise<ServerBinary> {
  try {
    return await examine('HOLDFAST_TEMPORAL_CLI', path, env);
  } catch (error) {
    throw new HoldfastError(
      'engine_unavailable',
      `HOLDFAST_TEMPORAL_CLI=${path} cannot be used: ${reasonOf(error)}. Set it to a \`temporal\` binary, or unset it.`,
    );
  }
}

/** The path in the result is absolute: the server is started in another directory. */
async function examine(origin: ServerBinary['origin'], given: string, env: NodeJS.ProcessEnv): Promise<ServerBinary> {
  const path = resolve(given);
  await access(path, constants.X_OK);
  return { path, version: await readServerVersion(path, env), origin };
}

async function findOnPath(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  for (const directory of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(directory, name);
    if (await isExecutable(path)) return path;
  }
  throw new Error('not there');
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return 'not there';
  if ('code' in error && error.code === 'EACCES') return 'not executable';
  return error.message;
}
