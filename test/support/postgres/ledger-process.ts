import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { ChildCommand } from '../../../src/stores/contract/ledger-child.ts';

const CHILD = fileURLToPath(new URL('../../../src/stores/contract/ledger-child.ts', import.meta.url));

/** A second process at the ledger, a SQLite file or a `postgres:` URL, ready for commands; it ends with the test. */
export async function ledgerProcess(place: string, name: string): Promise<(command: ChildCommand) => Promise<unknown>> {
  const child = spawn(process.execPath, [CHILD, 'serve', place, name], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.stdin.end();
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done) throw new Error(`the process ${name} ended`);
    return line.value;
  };
  await answer();
  return async (command) => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    return JSON.parse(await answer()) as unknown;
  };
}
