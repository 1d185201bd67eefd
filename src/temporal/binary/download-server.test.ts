import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { downloadServer } from './download-server.ts';

describe('the download of the server', () => {
  let root: string;
  let origin: string;
  let info: unknown;
  let asked: string[];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url?.startsWith('/cli/archive/') === true) response.end(JSON.stringify(info));
    else if (request.url === '/moved') response.writeHead(302, { location: '/archive' }).end();
    else if (request.url === '/archive')
      void readFile(join(root, 'archive.tar.gz')).then((bytes) => response.end(bytes));
    else response.writeHead(404).end();
  });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-download-'));
    asked = [];
    await writeFile(join(root, 'temporal'), '#!/bin/sh\necho hello\n');
    await chmod(join(root, 'temporal'), 0o644);
    execFileSync('tar', ['-czf', join(root, 'archive.tar.gz'), '-C', root, 'temporal']);
    await rm(join(root, 'temporal'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    await rm(root, { recursive: true });
  });

  const download = () =>
    downloadServer(
      { env: { PATH: process.env.PATH }, target: join(root, 'temporal'), onProgress: () => undefined },
      origin,
    );

  it('asks the service for the archive, follows it and leaves one executable file', async () => {
    info = { archiveUrl: `${origin}/moved`, fileToExtract: 'temporal' };
    await download();
    expect(asked[0]).toMatch(/^\/cli\/archive\/v1\.8\.2\?arch=(amd64|arm64)&platform=(linux|darwin)$/);
    expect(execFileSync(join(root, 'temporal'), { encoding: 'utf8' })).toBe('hello\n');
    expect((await readdir(root)).sort()).toEqual(['archive.tar.gz', 'temporal']);
  });

  it.each([
    ['an answer of another shape', { url: 'x' }, /archiveUrl/],
    ['a file outside of the archive', { archiveUrl: 'http://127.0.0.1:1/', fileToExtract: '../temporal' }, /outside/],
    ['an absolute file', { archiveUrl: 'http://127.0.0.1:1/', fileToExtract: '/bin/sh' }, /outside/],
    ['an address that is not http', { archiveUrl: 'file:///etc/passwd', fileToExtract: 'temporal' }, /archiveUrl/],
  ])('refuses %s and leaves nothing behind', async (_, answer, message) => {
    info = answer;
    await expect(download()).rejects.toThrow(message);
    expect(await readdir(root)).toEqual(['archive.tar.gz']);
  });

  it('names the address and the status when the archive is not there', async () => {
    info = { archiveUrl: `${origin}/missing`, fileToExtract: 'temporal' };
    await expect(download()).rejects.toThrow(`${origin}/missing answered with status 404`);
  });
});
