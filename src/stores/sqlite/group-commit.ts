/**
 * Group commit: transactions that are asked for while another commits share the next commit. Almost all of a small
 * transaction's time is the wait for the disk, so sixty callers wait about as long as a few.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CompiledQuery } from 'kysely';
import type { Database, Tx } from '../sql/schema.ts';

/** Bounds how long the write lock is kept from other processes. */
const MAX_GROUP = 64;

const SAVEPOINT = CompiledQuery.raw('savepoint job');
const RELEASE = CompiledQuery.raw('release job');
const ROLLBACK_TO = CompiledQuery.raw('rollback to job');

type Settle = () => void;

interface Job {
  /** Does the work; what it gives resolves the caller, once all of it is on disk. */
  run(tx: Tx): Promise<Settle>;
  reject(error: unknown): void;
}

export type RunWrite = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

/** Work may run twice: a group that fails as a whole is rolled back, and each of its members tried alone. */
export function createGroupCommit(db: Database): RunWrite {
  const waiting: Job[] = [];
  let isDraining = false;

  const drain = async (): Promise<void> => {
    isDraining = true;
    while (waiting.length > 0) {
      await runGroup(db, waiting.splice(0, MAX_GROUP));
      // Lets the callbacks that queued up behind the disk ask for their transactions before the next group begins.
      await nextTurn();
    }
    isDraining = false;
  };

  return (work) =>
    new Promise((resolve, reject) => {
      waiting.push({
        async run(tx) {
          const result = await work(tx);
          return () => resolve(result);
        },
        reject,
      });
      if (!isDraining) void drain();
    });
}

async function runGroup(db: Database, jobs: readonly Job[]): Promise<void> {
  const [only] = jobs;
  if (only && jobs.length === 1) return runAlone(db, only);
  let settled: Settle[];
  const progress = { hasBegun: false };
  try {
    settled = await db.transaction().execute(async (tx) => {
      progress.hasBegun = true;
      const outcomes: Settle[] = [];
      for (const job of jobs) outcomes.push(await runWithin(tx, job));
      return outcomes;
    });
  } catch (error) {
    // Another process kept the lock: waiting for it again for each member would block this process many times over.
    if (!progress.hasBegun) {
      for (const job of jobs) job.reject(error);
      return;
    }
    // The fault of one (or of the disk) took all with it; alone, each meets its own outcome.
    for (const job of jobs) await runAlone(db, job);
    return;
  }
  for (const settle of settled) settle();
}

async function runWithin(tx: Tx, job: Job): Promise<Settle> {
  await tx.executeQuery(SAVEPOINT);
  try {
    const settle = await job.run(tx);
    await tx.executeQuery(RELEASE);
    return settle;
  } catch (error) {
    // When SQLite has already rolled back everything this throws, and the whole group is tried again one by one.
    await tx.executeQuery(ROLLBACK_TO);
    await tx.executeQuery(RELEASE);
    return () => job.reject(error);
  }
}

async function runAlone(db: Database, job: Job): Promise<void> {
  try {
    const settle = await db.transaction().execute((tx) => job.run(tx));
    settle();
  } catch (error) {
    job.reject(error);
  }
}
