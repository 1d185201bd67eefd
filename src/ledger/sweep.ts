/**
 * What puts right what lost processes left: accepted calls that never started, calls whose workflow is gone, unknown
 * attempts that nobody will reconcile, rows past their retention.
 */
import { HoldfastError } from '../core/errors.ts';
import type { CallInput } from '../core/call/types.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type { UnknownAttempt } from '../core/ports/ledger/attempts.ts';
import type { OpenCall } from '../core/ports/ledger/calls.ts';
import type { CallView } from '../core/ports/ledger/views.ts';
import { putRightLostStart } from './lost-starts.ts';

export interface SweepDeps {
  ledger: Ledger;
  engine: {
    start(input: CallInput): Promise<unknown>;
    stateOf(callId: string): Promise<'running' | 'closed' | 'missing'>;
  };
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Asks the provider what became of an attempt; books it, or leaves it for the next time. */
  settleUnknown(attempt: UnknownAttempt): Promise<'reconciled' | 'abandoned' | 'open'>;
  /** Told of each call that the sweep ended. */
  onSettled(call: CallView): void;
  /** Told of a call that could not be put right now; the next sweep tries again. */
  onError(error: unknown): void;
  callRetentionMs: number;
  /** A door that is alive starts its call within this; only older ones are looked at. Default 30 s. */
  graceMs?: number;
  /** How long one sweep goes through the open calls; the next goes on from there. Default 60 s. */
  openCallsWithinMs?: number;
}

export interface SweepReport {
  started: number;
  settled: number;
  reconciled: number;
  abandoned: number;
  pruned: number;
}

export const SWEEP_GRACE_MS = 30_000;
/** An unknown attempt keeps its hold this long for someone to find out what became of it. */
const ABANDON_AFTER_MS = 24 * 3_600_000;
const BATCH = 500;
/** Half of what the engine gives a whole sweep. */
const OPEN_CALLS_WITHIN_MS = 60_000;
const ENGINE_ASKED_AT_ONCE = 16;
/** After so many failures in one sweep the engine or the store is away, for the other calls as well. */
const MOST_FAILURES = 100;
/** Unknown attempts that are asked for in one sweep. */
const ASKED_AT_ONCE = 64;

/** Gives one sweep, to be run again and again: each goes on among the open calls where the one before had to stop. */
export function createSweep(deps: SweepDeps): () => Promise<SweepReport> {
  let from = 0;
  return async () => {
    const report: SweepReport = { started: 0, settled: 0, reconciled: 0, abandoned: 0, pruned: 0 };
    from = await putRightOpenCalls(deps, report, from);
    await askForUnknown(deps, report);
    report.abandoned += await deps.ledger.abandonUnknown(deps.now() - ABANDON_AFTER_MS);
    report.pruned = await prune(deps);
    return report;
  };
}

/** Gives how many of the open calls, oldest first, the next sweep passes over: none when all had their turn. */
async function putRightOpenCalls(deps: SweepDeps, report: SweepReport, from: number): Promise<number> {
  const startedAt = deps.now();
  const before = startedAt - (deps.graceMs ?? SWEEP_GRACE_MS);
  const until = startedAt + (deps.openCallsWithinMs ?? OPEN_CALLS_WITHIN_MS);
  // Calls that stay open are passed over on the next page, so that many long ones never hide a lost one.
  let skip = from;
  let failures = 0;
  for (;;) {
    const page = await deps.ledger.openCalls(before, BATCH, skip);
    for (let start = 0; start < page.length; start += ENGINE_ASKED_AT_ONCE) {
      const together = page.slice(start, start + ENGINE_ASKED_AT_ONCE);
      for (const result of await Promise.allSettled(together.map((call) => putRight(deps, call, report)))) {
        if (result.status === 'fulfilled' && result.value) continue;
        skip += 1;
        if (result.status === 'fulfilled') continue;
        // One call must not keep the others from their turn.
        deps.onError(result.reason);
        failures += 1;
      }
      if (failures >= MOST_FAILURES || deps.now() >= until) return skip;
    }
    if (page.length < BATCH) return 0;
  }
}

async function prune(deps: SweepDeps): Promise<number> {
  const pruned = await deps.ledger.prune(deps.now(), deps.callRetentionMs);
  for (const id of pruned.damaged) {
    deps.onError(
      new HoldfastError(
        'engine_unavailable',
        `The stored request of the open call ${id} is damaged. Restore a backup.`,
      ),
    );
  }
  return pruned.payloads + pruned.idempotency + pruned.calls + pruned.windows;
}

/** Asks for a random stretch of them: one provider that is down must not keep the others from their turn for ever. */
async function askForUnknown(deps: SweepDeps, report: SweepReport): Promise<void> {
  const from = deps.now() - Math.floor(deps.random() * ABANDON_AFTER_MS);
  const late = await deps.ledger.unknownAttempts(from, ASKED_AT_ONCE);
  const page = late.length > 0 ? late : await deps.ledger.unknownAttempts(0, ASKED_AT_ONCE);
  await Promise.all(
    page.map(async (attempt) => {
      try {
        const result = await deps.settleUnknown(attempt);
        if (result !== 'open') report[result] += 1;
      } catch (error) {
        deps.onError(error);
      }
    }),
  );
}

/** True when the call has ended now. */
async function putRight(deps: SweepDeps, call: OpenCall, report: SweepReport): Promise<boolean> {
  const state = await deps.engine.stateOf(call.input.callId);
  if (state === 'running') return false;
  // The process died between the ledger's "accepted" and the engine's start: nothing was dispatched yet.
  if (state === 'missing' && call.state !== 'running') {
    const result = await putRightLostStart(deps, call);
    if (result === 'started') report.started += 1;
    if (result === null || result === 'started') return false;
    deps.onSettled(result);
    report.settled += 1;
    return true;
  }
  // It may have come to its end by itself since it was listed.
  if ((await deps.ledger.getCall(call.input.callId))?.state === 'ended') return false;
  const settled = await settleLost(deps.ledger, call);
  if (settled.state !== 'ended') return false;
  deps.onSettled(settled);
  report.settled += 1;
  return true;
}

/** Of one that nothing was sent for the outcome is known; its key opens a new generation. */
function settleLost(ledger: Ledger, { input: { callId }, state }: OpenCall): Promise<CallView> {
  const wasSent = state === 'running';
  return ledger.settle(
    {
      callId,
      outcome: 'failed',
      answerRef: null,
      error: {
        code: wasSent ? 'outcome_unknown' : 'engine_unavailable',
        message: 'The workflow of this call is gone.',
        source: 'gateway',
      },
    },
    { unlessDispatched: !wasSent },
  );
}
