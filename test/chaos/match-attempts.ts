/** Which paid requests no attempt of the ledger can have been: by number, and by the time at which an attempt was under way. */
import type { AttemptState, AttemptView } from '../../src/core/ports/ledger/views.ts';
import { isPaid, type ProviderRequest } from './provider-truth.ts';

/** States of an attempt whose outcome nobody here saw. */
export const LOST: ReadonlySet<AttemptState> = new Set(['unknown', 'reconciled', 'abandoned']);

/** All processes have one clock; it is read before the bytes leave. */
const EARLY_MS = 100;
/** Bytes that were on their way when their attempt was given up. */
const LATE_MS = 1_000;
/** As long as a network that swallows and delays may keep them. */
const LATE_ON_BROKEN_NETWORK_MS = 5_000;

/** How many paid requests are left over when each is given an attempt of its own, as many as can be. */
export function silentRequests(
  attempts: readonly AttemptView[],
  requests: readonly ProviderRequest[],
  isNetworkBroken: boolean,
): number {
  const late = isNetworkBroken ? LATE_ON_BROKEN_NETWORK_MS : LATE_MS;
  const admitted = attempts.filter(isPaidFor);
  const paid = requests.filter(isPaid);
  const takenBy = new Map<AttemptView, ProviderRequest>();

  /** Finds it an attempt; one that is taken may be given up by its request for another. */
  function place(request: ProviderRequest, tried: Set<AttemptView>): boolean {
    for (const attempt of admitted) {
      if (tried.has(attempt) || !mayHaveSent(attempt, request, late)) continue;
      tried.add(attempt);
      const other = takenBy.get(attempt);
      if (other === undefined || place(other, tried)) {
        takenBy.set(attempt, request);
        return true;
      }
    }
    return false;
  }

  return paid.filter((request) => !place(request, new Set())).length;
}

/** An attempt that says that the provider may have been paid. One that failed and was free says that it was not. */
function isPaidFor({ state, costNanoUsd }: AttemptView): boolean {
  return state === 'settled' || LOST.has(state) || BigInt(costNanoUsd) > 0n;
}

function mayHaveSent({ startedAt, endedAt }: AttemptView, { receivedAt }: ProviderRequest, late: number): boolean {
  const until = endedAt === undefined ? Infinity : Date.parse(endedAt) + late;
  return receivedAt >= Date.parse(startedAt) - EARLY_MS && receivedAt <= until;
}
