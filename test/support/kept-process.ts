/** Test support: a server process in a folder of its own; both go when the test does, however it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { processStartTime } from '../../src/temporal/process/process-identity.ts';

const KEEPER = readFileSync(new URL('./postgres/keeper.sh', import.meta.url), 'utf8');
const START_LIMIT_MS = 60_000;

export interface KeptProcess {
  folder: string;
  pid(): number;
  /** SIGKILL, as a crash ends it; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again after `kill`; resolves when it is up. */
  start(): Promise<void>;
  /** Ends the process and removes the folder. */
  close(): Promise<void>;
}

export interface KeptProcessOptions {
  /** Of the folder, below the system's temporary one. */
  name: string;
  command(folder: string): string[];
  env?: NodeJS.ProcessEnv;
  /** Throws until the server answers. */
  probe(): Promise<unknown>;
}

/** Starts the process and waits until it is up. */
export async function keepProcess({ name, command, env, probe }: KeptProcessOptions): Promise<KeptProcess> {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  // Its own process group: a Ctrl-C in the terminal is not for it.
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper.sh', folder, ...command(folder)], {
    cwd: folder,
    env: { ...(env ?? process.env), KEEPER_SIGNAL: 'KILL' },
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(keeper, 'exit');
  const answers = createInterface(keeper.stdout)[Symbol.asyncIterator]();
  let pid = 0;
  const kept: KeptProcess = {
    folder,
    pid: () => pid,
    async kill() {
      process.kill(pid, 'SIGKILL');
      while (processStartTime(pid) !== undefined) await setTimeout(5);
    },
    async start() {
      keeper.stdin.write('start\n');
      pid = Number((await answers.next()).value);
      const deadline = Date.now() + START_LIMIT_MS;
      for (;;) {
        try {
          await probe();
          return;
        } catch (error) {
          if (Date.now() > deadline)
            throw new Error(readFileSync(join(folder, 'server.log'), 'utf8'), { cause: error });
          await setTimeout(25);
        }
      }
    },
    async close() {
      keeper.stdin.end();
      await ended;
    },
  };
  try {
    await kept.start();
  } catch (error) {
    await kept.close();
    throw error;
  }
  return kept;
}
