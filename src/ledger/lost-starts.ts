/**
 * Calls that were accepted and never started, because their door died in between. Nothing of them was dispatched yet, so that
 * starting one is always safe: the engine has one workflow for each call id.
 */
import type { CallInput } from '../core/call/types.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type { OpenCall } from '../core/ports/ledger/calls.ts';
import type { CallView } from '../core/ports/ledger/views.ts';

export interface LostStartsDeps {
  ledger: Pick<Ledger, 'unstartedCalls' | 'getCall' | 'settle'>;
  engine: {
    start(input: CallInput): Promise<unknown>;
    stateOf(callId: string): Promise<'running' | 'closed' | 'missing'>;
  };
  now(): number;
  /** Told of each call that was ended. */
  onSettled(call: CallView): void;
  /** Told of a call that could not be put right now; the next look tries again. */
  onError(error: unknown): void;
}

/** Beyond this no SDK waits any more: a call that never started is ended instead of started. */
const START_WITHIN_MS = 10 * 60_000;
/** A live door starts its call within this in nearly all cases; where it does not, the second start is the idle one. */
const KEYED_GRACE_MS = 5_000;
/**
 * A live door of a fleet has started its call within this, or given it up (see `LONGEST_START_MS`): one of its own, or one
 * that its first door left to it, as late as that may be taken (see `TAKE_UNSTARTED_WITHIN_MS`).
 */
export const KEYLESS_GRACE_MS = 14_000;
const PAGE = 200;
/** Calls at most that one look goes through; the sweep has no such bound. */
const MOST = 5_000;
/** After so many failures in one look the engine or the store is away, for the other calls as well. */
const FAILURES_IN_A_LOOK = 5;
/** Between two looks. */
const EVERY_MS = 5_000;

/**
 * Starts the call if its caller can come back for it; else ends it, and gives its end. Only for a call that the engine does
 * not have. Null when it went on or ended by itself meanwhile.
 */
export async function putRightLostStart(
  { ledger, engine, now }: Pick<LostStartsDeps, 'ledger' | 'engine' | 'now'>,
  call: OpenCall,
): Promise<CallView | 'started' | null> {
  if (call.isKeyed && now() - call.createdAt < START_WITHIN_MS) {
    await engine.start(call.input);
    return 'started';
  }
  if ((await ledger.getCall(call.input.callId))?.state === 'ended') return null;
  const settled = await ledger.settle(
    {
      callId: call.input.callId,
      outcome: 'failed',
      answerRef: null,
      // Where the clock of this node is ahead, somebody waits for it all the same: nothing was paid, and it may ask again.
      error: { code: 'engine_unavailable', message: 'The call was lost before its start.', source: 'gateway' },
    },
    { unlessDispatched: true },
  );
  return settled.state === 'ended' ? settled : null;
}

/** What every node of a fleet does for the doors that died: they may not come back, and the sweep is slower. Gives one look. */
export function createLostStartsLook(deps: LostStartsDeps): () => Promise<void> {
  const { ledger, engine, now, onSettled, onError } = deps;
  /** Of the calls that wait for their first attempt: those that the engine has, and those that failed in the last look. */
  let inEngine = new Set<string>();
  let failed = new Set<string>();

  async function unstarted(): Promise<OpenCall[]> {
    const calls: OpenCall[] = [];
    const before = now() - KEYED_GRACE_MS;
    for (let page = PAGE; page === PAGE && calls.length < MOST;) {
      const rows = await ledger.unstartedCalls(before, PAGE, calls.length);
      calls.push(...rows);
      page = rows.length;
    }
    return calls;
  }

  async function putRight(call: OpenCall): Promise<void> {
    // One that was cancelled, or whose first step has not run yet, is not lost.
    if ((await engine.stateOf(call.input.callId)) === 'missing') {
      const result = await putRightLostStart(deps, call);
      if (result !== null && result !== 'started') onSettled(result);
    }
    inEngine.add(call.input.callId);
  }

  return async () => {
    const listed = await unstarted();
    const ids = new Set(listed.map(({ input }) => input.callId));
    inEngine = new Set([...inEngine].filter((id) => ids.has(id)));
    const due = listed.filter(
      ({ input, isKeyed, createdAt }) =>
        !inEngine.has(input.callId) && (isKeyed || now() - createdAt >= KEYLESS_GRACE_MS),
    );
    const failedBefore = failed;
    failed = new Set();
    // What failed comes last, so that no call keeps the others from their turn.
    due.sort((a, b) => Number(failedBefore.has(a.input.callId)) - Number(failedBefore.has(b.input.callId)));
    for (const call of due) {
      try {
        await putRight(call);
      } catch (error) {
        onError(error);
        failed.add(call.input.callId);
        if (failed.size >= FAILURES_IN_A_LOOK) return;
      }
    }
  };
}

export function watchLostStarts(deps: LostStartsDeps): { stop(): void } {
  const lookOnce = createLostStartsLook(deps);
  let isLooking = false;
  async function look(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      await lookOnce();
    } catch (error) {
      deps.onError(error);
    } finally {
      isLooking = false;
    }
  }
  const timer = setInterval(() => void look(), EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
