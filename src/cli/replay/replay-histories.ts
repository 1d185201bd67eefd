/** Replays recorded histories on workflow code, without a server. */
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import type { RecordedHistory } from './recorded-history.ts';

export interface Divergence {
  /** `non-determinism`: the code decides otherwise than the history. `failed`: it cannot run it at all. */
  kind: 'non-determinism' | 'failed';
  reason: string;
  /** The first event that does not fit; null when the code failed otherwise. */
  eventId: number | null;
}

export interface Verdict<T extends RecordedHistory> {
  recorded: T;
  /** Null: it replays. */
  divergence: Divergence | null;
}

/** In the order of `histories`, each taken only when the one before has been judged. */
export async function* replayHistories<T extends RecordedHistory>(
  workflowBundle: WorkflowBundle,
  histories: AsyncIterable<T> | Iterable<T>,
): AsyncGenerator<Verdict<T>> {
  const taken: T[] = [];
  for await (const { error } of Worker.runReplayHistories({ workflowBundle }, remember(histories, taken))) {
    const recorded = taken.shift();
    if (!recorded) throw new TypeError('a replay without a history');
    yield { recorded, divergence: error ? await divergenceOf(workflowBundle, recorded, error) : null };
  }
}

async function* remember<T extends RecordedHistory>(histories: AsyncIterable<T> | Iterable<T>, taken: T[]) {
  for await (const recorded of histories) {
    taken.push(recorded);
    yield { workflowId: recorded.workflowId, history: recorded.history };
  }
}

async function divergenceOf(bundle: WorkflowBundle, recorded: RecordedHistory, error: Error): Promise<Divergence> {
  const reason = reasonOf(error);
  if (!(error instanceof DeterminismViolationError)) return { kind: 'failed', reason, eventId: null };
  const named = /HistoryEvent\(id: (\d+),/.exec(reason)?.[1];
  return {
    kind: 'non-determinism',
    reason,
    eventId: named === undefined ? await firstMisfit(bundle, recorded) : Number(named),
  };
}

/** The native core wraps its message in the debug print of a failure. */
function reasonOf({ message }: Error): string {
  const inner = /message: "((?:[^"\\]|\\.)*)"/.exec(message)?.[1];
  return (inner ?? message).replace('[TMPRL1100] Nondeterminism error: ', '').slice(0, 300);
}

/** The event at which the shortest part of the history that does not replay ends. */
async function firstMisfit(workflowBundle: WorkflowBundle, { workflowId, events }: RecordedHistory): Promise<number> {
  let [fits, misfits] = [1, events.length];
  while (misfits - fits > 1) {
    const middle = Math.floor((fits + misfits) / 2);
    const history = historyFromJSON({ events: events.slice(0, middle) });
    const [replay] = await Array.fromAsync(Worker.runReplayHistories({ workflowBundle }, [{ workflowId, history }]));
    if (replay?.error) misfits = middle;
    else fits = middle;
  }
  return misfits;
}
