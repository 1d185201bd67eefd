/**
 * What a node does for the calls of its home's earlier life, before it takes calls of its own. Only for a node that knows
 * that no other lives: to any other, calls that live elsewhere would look lost.
 */
import type { Ledger } from '../../core/ports/ledger.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import { handOnLostAttempts } from '../../ledger/hand-on.ts';
import { createSweep } from '../../ledger/sweep.ts';
import type { CallEngine } from './call-engine.ts';

export interface TakeOverDeps {
  ledger: Ledger;
  engine: CallEngine;
  /** Of this node's workers; attempts of any other are lost. */
  identity: string;
  callRetentionMs: number;
  onSettled(call: CallView): void;
  onError(error: unknown): void;
}

export async function takeOver(deps: TakeOverDeps): Promise<void> {
  const { ledger, engine, onError } = deps;
  const now = Date.now;
  await handOnLostAttempts({ ledger, handOn: (callId) => engine.handOn(callId, deps.identity), now, onError });
  // Calls whose start was lost go on at once, or are ended: nobody is to be given one of those. What an engine that is away
  // keeps from that is left to the sweeps that follow.
  // Providers are asked by the sweeps that follow: a slow one must not delay this node.
  const settleUnknown = () => Promise.resolve('open' as const);
  const sweep = createSweep({
    ...deps,
    now,
    random: Math.random,
    settleUnknown,
    graceMs: 0,
    openCallsWithinMs: Number.POSITIVE_INFINITY,
  });
  await sweep();
}
