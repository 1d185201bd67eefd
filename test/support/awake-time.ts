/** How long something took, without the time in which the machine kept this thread from running. */
import { readFileSync } from 'node:fs';

/** Linux counts it, in nanoseconds: ready to run, and not running. */
const SCHEDULING = '/proc/thread-self/schedstat';

function keptWaitingMs(): number {
  if (process.platform !== 'linux') return 0;
  const [, waited = '0'] = readFileSync(SCHEDULING, 'utf8').split(' ');
  return Number(BigInt(waited) / 1_000_000n);
}

/**
 * Milliseconds, at most what a clock on the wall would say. What this process does, and what it waits for, counts: a crowded
 * processor does not.
 */
export async function awakeMsOf(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now() - keptWaitingMs();
  await work;
  return performance.now() - keptWaitingMs() - startedAt;
}
