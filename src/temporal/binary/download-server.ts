import { createWriteStream } from 'node:fs';
import { chmod, mkdtemp, rm, rename } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, interceptors, request } from 'undici';
import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { runCommand } from '../process/run-command.ts';
import { CLI_VERSION } from './server-version.ts';

export interface FetchInput {
  env: NodeJS.ProcessEnv;
  /** Where the binary shall be; its directory exists. */
  target: string;
  onProgress: (line: string) => void;
}

/** The service that Temporal's own SDKs download from. */
const ORIGIN = 'https://temporal.download';
const CONNECT_TIMEOUT_MS = 4_000;
const STALL_TIMEOUT_MS = 15_000;
const TOTAL_TIMEOUT_MS = 10 * 60_000;
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };
const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin' };

const infoSchema = z.object({ archiveUrl: z.url({ protocol: /^https?$/ }), fileToExtract: z.string().min(1) });

/** Downloads the CLI as the SDKs do. Fails within seconds where the service cannot be reached. */
export async function downloadServer({ env, target, onProgress }: FetchInput, origin = ORIGIN): Promise<void> {
  const arch = ARCHITECTURES[process.arch];
  const platform = PLATFORMS[process.platform];
  if (arch === undefined || platform === undefined) {
    throw new Error(`there is no download for ${process.platform}-${process.arch}`);
  }
  const agent = new EnvHttpProxyAgent({
    httpProxy: env.http_proxy ?? env.HTTP_PROXY,
    httpsProxy: env.https_proxy ?? env.HTTPS_PROXY,
    noProxy: env.no_proxy ?? env.NO_PROXY,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: STALL_TIMEOUT_MS,
    bodyTimeout: STALL_TIMEOUT_MS,
  });
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }));
  const signal = AbortSignal.timeout(TOTAL_TIMEOUT_MS);
  const work = await mkdtemp(join(dirname(target), 'download-'));
  try {
    const infoUrl = `${origin}/cli/archive/v${CLI_VERSION}?arch=${arch}&platform=${platform}`;
    const { archiveUrl, fileToExtract } = infoSchema.parse(await (await get(infoUrl, dispatcher, signal)).json());
    if (isAbsolute(fileToExtract) || normalize(fileToExtract).startsWith('..')) {
      throw new Error(`the archive names a file outside of it: ${fileToExtract}`);
    }
    onProgress(`downloading the Temporal server from ${new URL(archiveUrl).host}`);
    const archive = join(work, 'archive');
    await pipeline(await get(archiveUrl, dispatcher, signal), createWriteStream(archive));
    await runCommand('tar', ['-xf', archive, '-C', work, fileToExtract], { env, timeoutMs: TOTAL_TIMEOUT_MS });
    await chmod(join(work, fileToExtract), 0o755);
    await rename(join(work, fileToExtract), target);
  } finally {
    await agent.destroy();
    await rm(work, { recursive: true, force: true });
  }
}

async function get(url: string, dispatcher: Dispatcher, signal: AbortSignal) {
  const { statusCode, body } = await request(url, { dispatcher, signal });
  if (statusCode === 200) return body;
  await body.dump();
  throw new Error(`${url} answered with status ${statusCode}`);
}
