import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { processStartTime, type ProcessIdentity } from '../process/process-identity.ts';
import { openServerLog } from './server-log.ts';

export interface SpawnedServer {
  /** `undefined` when the binary could not be started; `assertAlive` soon says why. */
  identity: ProcessIdentity | undefined;
  /** Throws `engine_unavailable` with the end of the log once the process is known to have ended. */
  assertAlive: () => void;
}

const LOG_LINES = 20;
/** What a Go program needs; the keys of providers are none of the server's business. */
const PASSED_ON = /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|XDG_.*|GOMAXPROCS|GOGC|GOMEMLIMIT|SSL_CERT_.*)$/;

/** Starts the server in `home`, in a process group of its own, with its output in `<home>/temporal.log`. */
export function spawnServer({ home, path, args }: { home: string; path: string; args: string[] }): SpawnedServer {
  const log = openServerLog(join(home, 'temporal.log'));
  const child = spawn(path, args, {
    cwd: home,
    // Ctrl-C reaches a whole process group: it must not reach the server before the calls in flight are drained.
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name))),
  });
  closeSync(log.fd);
  let death: string | undefined;
  child.once('error', (error) => (death ??= error.message));
  child.once('exit', (code, signal) => (death ??= signal ?? `exit code ${code}`));
  child.unref();
  return {
    identity: identify(child.pid),
    assertAlive: () => {
      if (death === undefined) return;
      const title = `The Temporal server (${path}) ended while it started: ${death}. Its log, ${log.path}, ends with:`;
      throw new HoldfastError('engine_unavailable', [title, ...log.tail(LOG_LINES)].join('\n'));
    },
  };
}

function identify(pid: number | undefined): ProcessIdentity | undefined {
  const startTime = pid === undefined ? undefined : processStartTime(pid);
  return pid === undefined || startTime === undefined ? undefined : { pid, startTime };
}
