import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FetchInput } from './download-server.ts';
import { defaultCacheDir, findServerBinary } from './find-server-binary.ts';

type Fetch = (input: FetchInput) => Promise<void>;

const fails = (reason: string) => vi.fn((_: FetchInput) => Promise.reject(new Error(reason)));
const delivers = (version: string) => vi.fn(({ target }: FetchInput) => writeBinary(target, version));

async function writeBinary(path: string, version: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho "temporal version ${version} (Server 1.31.2, UI 2.50.1)"\n`);
  await chmod(path, 0o755);
}

describe('finding a server binary', () => {
  let root: string;
  let bin: string;
  let cacheDir: string;
  let cached: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-find-'));
    bin = join(root, 'bin');
    cacheDir = join(root, 'cache');
    cached = join(cacheDir, 'temporal-cli-1.8.2', 'temporal');
    await mkdir(bin);
  });
  afterEach(() => rm(root, { recursive: true }));

  const find = (env: NodeJS.ProcessEnv, download: Fetch = fails('no network'), build: Fetch = fails('no go')) =>
    findServerBinary({ env: { PATH: bin, ...env }, cacheDir, download, build });

  it('takes HOLDFAST_TEMPORAL_CLI before all else', async () => {
    await writeBinary(join(bin, 'temporal'), '1.8.0');
    await writeBinary(join(root, 'mine'), '1.9.1');
    expect(await find({ HOLDFAST_TEMPORAL_CLI: join(root, 'mine') })).toEqual({
      path: join(root, 'mine'),
      version: '1.9.1',
      origin: 'HOLDFAST_TEMPORAL_CLI',
    });
  });

  it('makes a relative path absolute, for the server is started elsewhere', async () => {
    await writeBinary(join(root, 'mine'), '1.8.2');
    const found = await find({ HOLDFAST_TEMPORAL_CLI: relative(process.cwd(), join(root, 'mine')) });
    expect(found.path).toBe(join(root, 'mine'));
  });

  it.each([
    ['missing', 'not there'],
    ['old', '1.5.1 or newer'],
    ['other', 'not the Temporal CLI'],
    ['plain', 'not executable'],
  ])('refuses a HOLDFAST_TEMPORAL_CLI that is %s, whatever else there is', async (name, reason) => {
    await writeBinary(join(bin, 'temporal'), '1.8.0');
    await writeBinary(join(root, 'old'), '1.4.0');
    await writeBinary(join(root, 'other'), 'none');
    await writeFile(join(root, 'plain'), 'text', { mode: 0o644 });
    const download = fails('must not be asked');
    await expect(find({ HOLDFAST_TEMPORAL_CLI: join(root, name) }, download)).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining(reason) as string,
    });
    expect(download).not.toHaveBeenCalled();
  });

  it('takes the one on PATH when it is new enough, else the cached one', async () => {
    await writeBinary(cached, '1.8.2');
    await writeBinary(join(bin, 'temporal'), '1.4.0');
    expect(await find({})).toEqual({ path: cached, version: '1.8.2', origin: 'cache' });
    await writeBinary(join(bin, 'temporal'), '1.6.0');
    expect(await find({})).toEqual({ path: join(bin, 'temporal'), version: '1.6.0', origin: 'PATH' });
  });

  it('downloads before it builds, and finds the result in the cache the next time', async () => {
    const download = delivers('1.8.2');
    const build = fails('must not be asked');
    expect(await find({}, download, build)).toEqual({ path: cached, version: '1.8.2', origin: 'download' });
    expect(await find({}, download, build)).toMatchObject({ origin: 'cache' });
    expect(download).toHaveBeenCalledTimes(1);
    expect(build).not.toHaveBeenCalled();
  });

  it('builds when the download fails or brings something useless', async () => {
    expect(await find({}, delivers('nonsense'), delivers('1.8.2'))).toMatchObject({ origin: 'go' });
  });

  it('clears away what a killed installer left', async () => {
    await mkdir(join(dirname(cached), 'build-x1'), { recursive: true });
    await find({}, delivers('1.8.2'));
    expect((await readdir(dirname(cached))).sort()).toEqual(['lock.db', 'temporal']);
  });

  it('lets two callers at once install once', async () => {
    const build = delivers('1.8.2');
    const found = await Promise.all([find({}, fails('no network'), build), find({}, fails('no network'), build)]);
    expect(build).toHaveBeenCalledTimes(1);
    expect(found.map(({ origin }) => origin).sort()).toEqual(['cache', 'go']);
  });

  it('names every way and its reason when none works', async () => {
    await writeBinary(join(bin, 'temporal'), '1.4.0');
    const error = await find({}).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'engine_unavailable' });
    expect(String(error)).toMatch(
      /on PATH: .*1\.4\.0.*\n- cache .*: not there\n- download: no network\n- build with Go: no go\n.*HOLDFAST_TEMPORAL_CLI/,
    );
  });

  it('caches where the user keeps caches', () => {
    expect(defaultCacheDir({ XDG_CACHE_HOME: '/x', HOME: '/h' })).toBe('/x/holdfast');
    expect(defaultCacheDir({ XDG_CACHE_HOME: '', HOME: '/h' })).toBe('/h/.cache/holdfast');
  });
});
