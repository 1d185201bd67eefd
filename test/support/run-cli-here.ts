/** A command line run in this process, with what it printed. */
import { PassThrough } from 'node:stream';
import { runCli } from '../../src/cli/run-cli.ts';

export interface CliRun {
  code: number;
  out: string;
  err: string;
}

export async function runCliHere(
  args: readonly string[],
  { env, input }: { env: Record<string, string>; input?: string },
): Promise<CliRun> {
  const out: string[] = [];
  const err: string[] = [];
  const stdin = new PassThrough();
  if (input !== undefined) stdin.end(input);
  const code = await runCli(args, {
    env: { PATH: process.env['PATH'], ...env },
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
  });
  return { code, out: out.join(''), err: err.join('') };
}
