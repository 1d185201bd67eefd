#!/usr/bin/env node
/** The `holdfast` command. */
import { HoldfastError } from '../core/errors.ts';
import { createProgram } from './program.ts';

const NEEDED_NODE = 24;
const runningNode = Number(process.versions.node.split('.')[0]);
if (runningNode < NEEDED_NODE) {
  console.error(
    `holdfast needs Node ${String(NEEDED_NODE)} or newer; this is Node ${process.versions.node}. In this repository, run it through npm: npm start.`,
  );
  process.exit(1);
}

try {
  await createProgram({ env: process.env }).parseAsync(process.argv);
} catch (error) {
  console.error(HoldfastError.is(error) ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
