#!/usr/bin/env node
/** The `holdfast` command. */
import { NEEDED_NODE } from './needed-node.ts';

// Before anything else is loaded: an older Node would stumble over the first module that it does not know.
const runningNode = Number(process.versions.node.split('.')[0]);
if (runningNode < NEEDED_NODE) {
  console.error(
    `holdfast needs Node ${String(NEEDED_NODE)} or newer; this is Node ${process.versions.node}. In this repository, run it through npm: npm start.`,
  );
  process.exit(1);
}
const { runCli } = await import('./run-cli.ts');
let lostOutput: NodeJS.ErrnoException | undefined;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  lostOutput ??= error;
});
const code = await runCli(process.argv.slice(2), process);
// Behind all that was written: what could not be shown, such as a key that stands nowhere else, is no success.
await new Promise((resolve) => process.stdout.write('', resolve));
if (lostOutput && lostOutput.code !== 'EPIPE') console.error(`the output could not be written: ${lostOutput.message}`);
// Not by exitCode alone: Temporal's native runtime, once loaded, keeps a process alive that failed before it connected.
process.exit(lostOutput ? 1 : code);
