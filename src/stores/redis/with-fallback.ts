/**
 * The shared hot state while Redis is there, this node's own while it is not: calls go on, each node keeps the limits by
 * itself, and nobody waits longer than the bound of one command.
 */
import { HoldfastError } from '../../core/errors.ts';
import type { HotState } from '../../core/ports/hot-state.ts';
import type { RedisLink } from './redis-link.ts';

export function withFallback(shared: HotState, own: HotState, link: Pick<RedisLink, 'isUp' | 'failed'>): HotState {
  return {
    async take(place, tokens) {
      if (!link.isUp) return own.take(place, tokens);
      try {
        await shared.take(place, tokens);
      } catch (error) {
        if (HoldfastError.is(error)) throw error;
        link.failed(error);
        return own.take(place, tokens);
      }
      // What runs here keeps its place when the limits are this node's own.
      own.hold(place);
    },
    hold(place, instead) {
      own.hold(place, instead);
      shared.hold(place, instead);
    },
    reclaim(places) {
      own.reclaim(places);
      shared.reclaim(places);
    },
    renew: (places) => shared.renew(places),
    free(place) {
      own.free(place);
      shared.free(place);
    },
  };
}
