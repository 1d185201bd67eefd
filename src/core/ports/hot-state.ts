/** State that is quick, shared by the nodes of a fleet, and may be lost: limits of speed. Money is not here. */
import type { LimitSettings } from '../settings.ts';

/** A tenant or a key with its limits: `tenant:acme`. */
export interface LimitedScope {
  scope: string;
  limits: LimitSettings;
}

/** A place under the concurrency limits of its scopes, by the name that its holder gave it. */
export interface Place {
  name: string;
  scopes: readonly LimitedScope[];
}

export interface HotState {
  /**
   * Takes one request of about `tokens` tokens, and a place, from every scope, or from none.
   * @throws HoldfastError `rate_limited` with the time after which it would pass.
   */
  take(place: Place, tokens: number): void | Promise<void>;
  /** Holds a place without asking: what runs has its place. It takes over the place `instead`, where that is given. */
  hold(place: Place, instead?: string): void;
  /** Holds all of these, after they may have been lost. */
  reclaim(places: readonly Place[]): void;
  /** Keeps places from expiring; those that are gone stay gone. */
  renew(places: readonly Place[]): void;
  /** Gives a place back. One that nobody has is no error. */
  free(place: Place): void;
}
