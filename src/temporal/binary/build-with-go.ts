import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FetchInput } from './download-server.ts';
import { runCommand } from '../process/run-command.ts';
import { CLI_VERSION } from './server-version.ts';

/** The release leaves this module of its own to a directory that its published zip does not hold. */
const CLIEXT = 'github.com/temporalio/cli/cliext';
const CLIEXT_VERSION = 'v0.0.0-20260731000218-c579925f193f';
const PACKAGE = 'github.com/temporalio/cli/cmd/temporal';
/** What the release itself asks for. */
const GO_VERSION = '1.26.4';
const RESOLVE_TIMEOUT_MS = 10 * 60_000;
const BUILD_TIMEOUT_MS = 30 * 60_000;
const PROGRESS_EVERY_MS = 10_000;

/** Without its go line the module counts as one of Go 1.16, and Go reads modules that not every proxy serves. */
const GO_MOD = `module holdfast.local/temporal-cli

go ${GO_VERSION}

require github.com/temporalio/cli v${CLI_VERSION}

replace ${CLIEXT} => ${CLIEXT} ${CLIEXT_VERSION}
`;

/** Builds the CLI from its sources through the Go module proxy: 3-4 minutes on two cores. Needs `go` on the PATH. */
export async function buildWithGo({ env, target, onProgress }: FetchInput): Promise<void> {
  // The go command that the machine has; a workspace above the directory must not take part.
  const buildEnv = { ...env, CGO_ENABLED: '0', GOWORK: 'off' };
  await runCommand('go', ['version'], { env: buildEnv, timeoutMs: 60_000 });
  const work = await mkdtemp(join(dirname(target), 'build-'));
  const startedAt = performance.now();
  const sayElapsed = (): void =>
    onProgress(`building the Temporal server with Go: ${Math.round((performance.now() - startedAt) / 1000)} s`);
  onProgress('building the Temporal server with Go: once, about 4 minutes on two cores');
  const ticker = setInterval(sayElapsed, PROGRESS_EVERY_MS);
  try {
    await writeFile(join(work, 'go.mod'), GO_MOD);
    const go = (args: string[], timeoutMs: number) => runCommand('go', args, { cwd: work, env: buildEnv, timeoutMs });
    await go(['get', '-tool', `${PACKAGE}@v${CLI_VERSION}`], RESOLVE_TIMEOUT_MS);
    const stamp = `-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${CLI_VERSION}`;
    await go(['build', '-ldflags', stamp, '-o', join(work, 'temporal'), PACKAGE], BUILD_TIMEOUT_MS);
    await rename(join(work, 'temporal'), target);
  } finally {
    clearInterval(ticker);
    await rm(work, { recursive: true, force: true });
  }
}
