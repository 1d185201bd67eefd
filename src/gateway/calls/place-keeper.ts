/**
 * The places under concurrency limits of the calls that this node started or runs. They are renewed while the call is in
 * flight and given back when it ends, wherever it ends: what ends in another process is found in the ledger.
 */
import { randomUUID } from 'node:crypto';
import type { HotState, LimitedScope, Place } from '../../core/ports/hot-state.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';

export interface PlaceKeeper {
  /**
   * Takes the place of a request that may become a call; to be kept for the call, or freed.
   * @throws HoldfastError `rate_limited`.
   */
  take(scopes: readonly LimitedScope[], tokens: number): Promise<TakenPlace>;
  /** A call runs here: it has its place until it has ended. */
  keep(callId: string, scopes: readonly LimitedScope[]): void;
  /** The call has ended: the place that this node keeps for it is free. */
  free(callId: string): void;
  /** Holds again what is in flight, after the hot state has lost it. */
  reclaim(): void;
  stop(): void;
}

export interface TakenPlace {
  keepFor(callId: string): void;
  free(): void;
}

export interface PlaceKeeperOptions {
  hot: HotState;
  ledger: Pick<Ledger, 'getCall'>;
  onError(error: unknown): void;
  /** Between looks at what has ended elsewhere, and between renewals. Default 5 s: a sixth of the lease. */
  everyMs?: number;
}

export function createPlaceKeeper({ hot, ledger, onError, everyMs = 5_000 }: PlaceKeeperOptions): PlaceKeeper {
  const kept = new Map<string, Place>();
  let isLooking = false;

  const hasPlaces = (scopes: readonly LimitedScope[]) => scopes.some(({ limits }) => limits.concurrency !== null);

  function free(place: Place): void {
    kept.delete(place.name);
    if (hasPlaces(place.scopes)) hot.free(place);
  }

  async function freeEnded(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      for (const place of kept.values()) {
        const call: CallView | null = await ledger.getCall(place.name);
        if (call === null || call.state === 'ended') free(place);
      }
    } catch (error) {
      onError(error);
    } finally {
      isLooking = false;
    }
  }

  const timer = setInterval(() => {
    hot.renew([...kept.values()]);
    void freeEnded();
  }, everyMs);
  timer.unref();

  return {
    async take(scopes, tokens) {
      const place: Place = { name: randomUUID(), scopes };
      await hot.take(place, tokens);
      let isMine = true;
      return {
        keepFor(callId) {
          isMine = false;
          if (!hasPlaces(scopes)) return;
          kept.set(callId, { name: callId, scopes });
          hot.hold({ name: callId, scopes }, place.name);
        },
        free() {
          if (isMine) free(place);
          isMine = false;
        },
      };
    },
    keep(callId, scopes) {
      if (!hasPlaces(scopes) || kept.has(callId)) return;
      const place = { name: callId, scopes };
      kept.set(callId, place);
      hot.hold(place);
    },
    free(callId) {
      const place = kept.get(callId);
      if (place) free(place);
    },
    reclaim() {
      hot.reclaim([...kept.values()]);
    },
    stop: () => clearInterval(timer),
  };
}
