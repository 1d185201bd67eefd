/** What the nodes of a fleet share beside the ledger, as the configuration says: in Redis, or each its own. */
import { createHash } from 'node:crypto';
import type { HotState } from '../core/ports/hot-state.ts';
import type { Peers } from '../core/ports/peers.ts';
import type { Settings } from '../core/settings.ts';
import { storeUrlOf, type OpenLedgerOptions } from '../ledger/open-ledger.ts';
import { deriveKey } from '../stores/crypto/derive-key.ts';
import { createMemoryHotState } from '../stores/memory/hot-state.ts';
import { noPeers, silentPeers } from '../stores/memory/peers.ts';
import { createMemoryStreamBus, type MemoryStreamBus } from '../stores/memory/stream-bus.ts';
import { createRedisHotState } from '../stores/redis/hot-state.ts';
import { createRedisPeers } from '../stores/redis/peers.ts';
import { connectRedis } from '../stores/redis/redis-link.ts';
import { createRedisStreamBus } from '../stores/redis/stream-bus.ts';
import { withFallback } from '../stores/redis/with-fallback.ts';

export interface SharedState {
  hot: HotState;
  bus: MemoryStreamBus;
  peers: Peers;
  /** Null without Redis. */
  isUp: (() => boolean) | null;
  /** Runs when the hot state is back and may have lost what it held. */
  onReturn(listener: () => void): void;
  close(): void;
}

export interface SharedStateOptions extends Pick<OpenLedgerOptions, 'masterKey' | 'secrets' | 'env'> {
  settings: Pick<Settings, 'hotStore'>;
  /** Names this process life. */
  node: string;
  /** No other process works on this ledger. */
  isAlone: boolean;
  onError(error: unknown): void;
  /** Told once when Redis goes away, and once when it is back. */
  onChange(isUp: boolean, reason: string): void;
}

export async function openSharedState(options: SharedStateOptions): Promise<SharedState> {
  const { hotStore } = options.settings;
  const own = createMemoryHotState();
  if (hotStore.kind === 'memory') {
    const none = () => undefined;
    const peers = options.isAlone ? noPeers : silentPeers;
    return { hot: own, bus: createMemoryStreamBus(), peers, isUp: null, onReturn: none, close: none };
  }
  const link = await connectRedis({
    url: await storeUrlOf('stores.redisUrl', hotStore.urlReference, options),
    // The nodes of a fleet have one master key; its name says nothing of it.
    fleet: createHash('sha256').update(deriveKey(options.masterKey, 'fleet-name')).digest('hex').slice(0, 16),
    onChange: options.onChange,
  });
  const bus = await createRedisStreamBus({
    link,
    node: options.node,
    sealKey: deriveKey(options.masterKey, 'bus'),
    onError: options.onError,
  });
  const peers = options.isAlone ? null : await createRedisPeers({ link, node: options.node, onError: options.onError });
  return {
    hot: withFallback(createRedisHotState({ link }), own, link),
    bus,
    peers: peers ?? noPeers,
    isUp: () => link.isUp,
    onReturn: (listener) => link.onReturn(listener),
    close() {
      peers?.close();
      bus.close();
      link.close();
    },
  };
}
