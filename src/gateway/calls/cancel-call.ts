/** How a call is cancelled, wherever it is: not started yet, at the engine, or at its provider in this process or another. */
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import type { StreamBus } from '../../core/ports/stream-bus.ts';
import type { CallEngine } from './call-engine.ts';

export interface CancelCallDeps {
  ledger: Pick<Ledger, 'getCall' | 'settle'>;
  bus: Pick<StreamBus, 'requestCancel' | 'publish'>;
  engine: Pick<CallEngine, 'cancel'>;
}

/**
 * Gives whether the call was still to be cancelled.
 * @throws HoldfastError `not_found`; `engine_unavailable` where the cancel would be lost with this process.
 */
export type CancelCall = (callId: string) => Promise<boolean>;

export function createCancelCall({ ledger, bus, engine }: CancelCallDeps): CancelCall {
  /** Ends a call of which nothing has left: it dispatches nothing any more, wherever it is by now. */
  async function cancelUndispatched(callId: string): Promise<CallView> {
    const error = {
      code: 'cancelled',
      message: 'The call was cancelled before its start.',
      source: 'gateway',
    } as const;
    const settlement = { callId, outcome: 'cancelled', answerRef: null, error } as const;
    const call = await ledger.settle(settlement, { unlessDispatched: true });
    if (call.state === 'ended') bus.publish(callId, { type: 'call-end', call });
    return call;
  }

  /** Whether the ledger keeps the cancel until the engine is back: nothing has left, or what has left was stopped and says so. */
  async function isCancelledInLedger(callId: string): Promise<boolean> {
    const call = await cancelUndispatched(callId);
    return call.state === 'ended' || call.attempts.at(-1)?.errorCode === 'cancelled';
  }

  return async function cancel(callId: string): Promise<boolean> {
    // In this process the provider's socket closes at once, whatever else can be reached; the engine's cancel reaches the
    // others.
    bus.requestCancel(callId);
    const call = await ledger.getCall(callId);
    if (!call) throw new HoldfastError('not_found', 'There is no such call.');
    if (call.state === 'ended') return false;
    let isInEngine: boolean;
    try {
      isInEngine = await engine.cancel(callId);
    } catch (error) {
      // An attempt was stopped over the bus meanwhile. Its call ends with it, whoever goes on with it.
      if (await isCancelledInLedger(callId)) return true;
      throw error;
    }
    if (isInEngine) return true;
    // It is about to be started, here or by who finds it; where it has dispatched since it was asked for, the engine has it.
    if ((await cancelUndispatched(callId)).state !== 'ended') await engine.cancel(callId);
    return true;
  };
}
