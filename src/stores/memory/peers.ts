/** What a process can say of others by itself. */
import type { Peers } from '../../core/ports/peers.ts';

/** For a node that knows that no other lives: whoever had another name was an earlier life of it. */
export const noPeers: Peers = { isGone: () => Promise.resolve(true) };

/** For a node that may have others beside it and cannot ask them. */
export const silentPeers: Peers = { isGone: () => Promise.resolve(false) };
