/**
 * A process of the campaign: started, waited for, killed by its pid alone, never left behind. Its stdin ends with the
 * campaign, however that ends.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { killWithUs } from '../support/temporal/dev-server.ts';

const KEPT_OUTPUT = 20_000;

export interface ChildOptions {
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Printed when it can be used. */
  readyLine: RegExp;
  readyWithinMs: number;
}

export interface Child {
  readonly pid: number;
  readonly hasEnded: boolean;
  /** Resolves with the exit code; null after a signal. */
  readonly exited: Promise<number | null>;
  /** The end of what it printed. */
  output(): string;
  signal(name: NodeJS.Signals): void;
}

export async function startChild({ args, env, cwd, readyLine, readyWithinMs }: ChildOptions): Promise<Child> {
  const process_ = spawn(process.execPath, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  const forget = killWithUs(process_.pid ?? 0);
  let output = '';
  const child: Child = {
    pid: process_.pid ?? 0,
    get hasEnded() {
      return process_.exitCode !== null || process_.signalCode !== null;
    },
    exited: once(process_, 'exit').then(([code]) => {
      forget();
      return code as number | null;
    }),
    output: () => output,
    signal: (name) => void process_.kill(name),
  };
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      process_.kill('SIGKILL');
      reject(new Error(`${args[0] ?? ''} ${why}:\n${output}`));
    };
    const timer = setTimeout(() => fail('was not ready in time'), readyWithinMs);
    const take = (chunk: Uint8Array | string) => {
      output = (output + String(chunk)).slice(-KEPT_OUTPUT);
      if (!readyLine.test(output)) return;
      clearTimeout(timer);
      resolve();
    };
    process_.stdout.on('data', take);
    process_.stderr.on('data', take);
    void child.exited.then(() => fail('ended before it was ready'));
  });
  return child;
}
