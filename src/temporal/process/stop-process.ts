import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../core/errors.ts';
import { hasCode, isRunning, type ProcessIdentity } from './process-identity.ts';

const POLL_MS = 25;
const KILL_WAIT_MS = 5_000;

/**
 * Asks a process to end, and ends it after `graceMs` (default 10 s). Resolves when it is gone. A process whose start
 * time does not match is somebody else's and is never touched.
 */
export async function stopProcess(identity: ProcessIdentity, { graceMs = 10_000 } = {}): Promise<void> {
  signal(identity, 'SIGTERM');
  if (await isGoneWithin(identity, graceMs)) return;
  signal(identity, 'SIGKILL');
  if (await isGoneWithin(identity, KILL_WAIT_MS)) return;
  throw new HoldfastError(
    'engine_unavailable',
    `The process ${identity.pid} does not end, not even by SIGKILL. Look at it with \`ps -o stat,wchan -p ${identity.pid}\`.`,
  );
}

function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

async function isGoneWithin(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (isRunning(identity)) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}
