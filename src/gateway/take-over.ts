/**
 * What a node does for the calls of its home's earlier life, before it takes calls of its own. Only for a node that knows
 * that no other lives: to any other, calls that live elsewhere would look lost.
 */
import type { JsonObject } from '../core/json.ts';
import type { CallView, Ledger } from '../core/ports/ledger.ts';
import type { PayloadStore } from '../core/ports/payload-store.ts';
import { handOnLostAttempts } from '../ledger/hand-on.ts';
import { parseStoredRequest } from '../ledger/stored-request.ts';
import { sweep } from '../ledger/sweep.ts';
import type { CallEngine } from './call-engine.ts';
import { findOrphans, type Orphans } from './orphans.ts';

export interface TakeOverDeps {
  ledger: Ledger;
  payloads: PayloadStore;
  engine: CallEngine;
  /** Of this node's workers; attempts of any other are lost. */
  identity: string;
  hashBody: (tenant: string, body: JsonObject) => string;
  callRetentionMs: number;
  onSettled(call: CallView): void;
  onError(error: unknown): void;
}

/** Gives the calls that callers may come back for without a key. */
export async function takeOver(deps: TakeOverDeps): Promise<Orphans> {
  const { ledger, payloads, engine, onError } = deps;
  const now = Date.now;
  await handOnLostAttempts({ ledger, handOn: (callId) => engine.handOn(callId, deps.identity), now, onError });
  // Calls whose start was lost go on at once, or are ended: nobody is to be given one of those.
  // Providers are asked by the sweeps that follow: a slow one must not delay this node.
  const settleUnknown = () => Promise.resolve('open' as const);
  await sweep({ ...deps, now, random: Math.random, settleUnknown, graceMs: 0 });
  return findOrphans({
    ledger,
    async requestOf(ref) {
      const bytes = await payloads.get(ref);
      return bytes && parseStoredRequest(bytes);
    },
    hashBody: deps.hashBody,
    now,
    onError,
  });
}
