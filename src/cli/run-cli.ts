/** Runs one command line. */
import { CommanderError } from 'commander';
import { HoldfastError } from '../core/errors.ts';
import type { CliContext } from './context.ts';
import { LostOutputError } from './watched-output.ts';
import { inert } from './inert.ts';
import { createProgram } from './program.ts';

export interface CliProcess {
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadStream;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown };
}

/** Gives the exit code: 0, or 1 with one error on stderr. */
export async function runCli(args: readonly string[], { env, stdin, stdout, stderr }: CliProcess): Promise<number> {
  let code = 0;
  const context: CliContext = {
    env,
    stdin,
    write: (text) => void stdout.write(text),
    note: (line) => void stderr.write(`${line}\n`),
    fail: (exitCode = 1) => {
      code = exitCode;
    },
  };
  const program = createProgram(context);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    // Help, or a wrong flag: commander has said so already.
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof LostOutputError) return 1;
    context.note(errorLine(error));
    return 1;
  }
  return code;
}

/** Code, cause and remedy; what is unforeseen comes with its stack, for a bug report. */
function errorLine(error: unknown): string {
  if (HoldfastError.is(error)) {
    const lines = `${error.code}: ${error.message}`.split('\n');
    return lines.map(inert).join('\n');
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
