import { execFile } from 'node:child_process';

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Ends the command by SIGKILL. */
  timeoutMs: number;
}

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const TAIL_LINES = 5;

/** Runs a program to its end and returns its stdout. The error names the command, why it failed and its last lines. */
export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const { cwd, env, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      { cwd, env, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const reason = error.killed === true ? `stopped after ${timeoutMs / 1000} s` : exitReason(error);
        const tail = `${stdout}${stderr}`.trim().split('\n').slice(-TAIL_LINES).join('\n');
        reject(
          new Error(`${[file, ...args.slice(0, 2)].join(' ')}: ${reason}${tail && `\n${tail}`}`, { cause: error }),
        );
      },
    );
  });
}

function exitReason(error: { code?: string | number | null; signal?: NodeJS.Signals | null; message: string }): string {
  if (typeof error.code === 'number') return `exit code ${error.code}`;
  return error.signal ?? error.code ?? error.message;
}
