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
const { watchOutput } = await import('./watched-output.ts');
const stdout = watchOutput(process.stdout);
const { env, stdin, stderr } = process;
const code = await runCli(process.argv.slice(2), { env, stdin, stdout, stderr });
const lost = await stdout.flushed();
// A reader that has seen enough needs no message.
if (lost && lost.code !== 'EPIPE') console.error(`the output could not be written: ${lost.message}`);
// Not by exitCode alone: Temporal's native runtime, once loaded, keeps a process alive that failed before it connected.
process.exit(lost ? 1 : code);
