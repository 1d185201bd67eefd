/**
 * Calls that were accepted and never started, because their door died in between. Nothing of them was dispatched yet, so that
 * starting one is always safe: the engine has one workflow for each call id.
 */
import type { CallInput } from '../core/call/types.ts';
import type { CallView, Ledger, OpenCall } from '../core/ports/ledger.ts';

export interface LostStartsDeps {
  ledger: Pick<Ledger, 'unstartedCalls' | 'getCall' | 'settle'>;
  engine: {
    start(input: CallInput): Promise<void>;
    stateOf(callId: string): Promise<'running' | 'closed' | 'missing'>;
  };
  now(): number;
  /** Told of each call that was ended. */
  onSettled(call: CallView): void;
  /** Told why a look was given up; the next one begins anew. */
  onError(error: unknown): void;
}

/** Beyond this no SDK waits any more: a call that never started is ended instead of started. */
const START_WITHIN_MS = 10 * 60_000;
/** A live door starts its call within this in nearly all cases; where it does not, the second start is the idle one. */
const KEYED_GRACE_MS = 5_000;
/** A live door of a fleet has started its call within this, or given it up (see `LONGEST_START_MS`). */
export const KEYLESS_GRACE_MS = 14_000;
const BATCH = 200;
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
      outcome: 'cancelled',
      answerRef: null,
      error: {
        code: 'cancelled',
        message: 'The call was lost before its start, and no one can wait for it.',
        source: 'gateway',
      },
    },
    { unlessDispatched: true },
  );
  return settled.state === 'ended' ? settled : null;
}

/** What every node of a fleet does for the doors that died: they may not come back, and the sweep is slower. */
export async function lookForLostStarts(deps: LostStartsDeps): Promise<void> {
  const { ledger, engine, now, onSettled } = deps;
  for (const call of await ledger.unstartedCalls(now() - KEYED_GRACE_MS, BATCH)) {
    if (!call.isKeyed && now() - call.createdAt < KEYLESS_GRACE_MS) continue;
    // One that was cancelled, or whose first step has not run yet, is not lost.
    if ((await engine.stateOf(call.input.callId)) !== 'missing') continue;
    const result = await putRightLostStart(deps, call);
    if (result !== null && result !== 'started') onSettled(result);
  }
}

export function watchLostStarts(deps: LostStartsDeps): { stop(): void } {
  let isLooking = false;
  async function look(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      await lookForLostStarts(deps);
    } catch (error) {
      // The engine or the store is away, for the other calls as well.
      deps.onError(error);
    } finally {
      isLooking = false;
    }
  }
  const timer = setInterval(() => void look(), EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
