import { runCommand } from '../process/run-command.ts';

/** The release that we download or build, and that the tests run against: server 1.31.2. */
export const CLI_VERSION = '1.8.2';
/** The oldest that we take from elsewhere: server 1.29.1. */
export const OLDEST_CLI_VERSION = '1.5.1';

/** What a build without a version of its own calls itself: let in, the user knows better. */
const UNVERSIONED = '0.0.0-DEV';
const ASK_TIMEOUT_MS = 20_000;

/** Asks a `temporal` binary for its version. Throws when it does not run, is something else, or is too old. */
export async function readServerVersion(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const output = await runCommand(path, ['--version'], { env, timeoutMs: ASK_TIMEOUT_MS });
  const version = parseCliVersion(output);
  if (version === undefined) throw new Error(`${path} is not the Temporal CLI: it calls itself «${output.trim()}»`);
  if (!isGoodVersion(version)) {
    throw new Error(`${path} is version ${version}; ${OLDEST_CLI_VERSION} or newer is needed`);
  }
  return version;
}

/** From `temporal version 1.8.2 (Server 1.31.2, UI 2.50.1)`. */
export function parseCliVersion(output: string): string | undefined {
  return /^temporal version v?(\d+\.\d+\.\d+\S*)/m.exec(output)?.[1];
}

export function isGoodVersion(version: string): boolean {
  return version === UNVERSIONED || compareVersions(version, OLDEST_CLI_VERSION) >= 0;
}

function compareVersions(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true });
}
