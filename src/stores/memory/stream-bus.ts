/**
 * The stream bus of one process. A call's channel is one log that all its subscribers read at their own pace, so a slow
 * reader costs nothing but its position; the log's size is bounded by the answer limit of the dispatcher.
 */
import { LRUCache } from 'lru-cache';
import type { BusMessage, StreamBus } from '../../core/ports/stream-bus.ts';

interface Subscriber {
  next: number;
  wake: () => void;
}

interface Channel {
  log: BusMessage[];
  ended: boolean;
  subscribers: Set<Subscriber>;
  cancelListeners: Set<() => void>;
}

/** Cancel requests that are remembered for attempts that have not begun to listen. */
const REMEMBERED_CANCELS = 10_000;

export interface MemoryStreamBus extends StreamBus {
  /** Calls with a channel. */
  readonly channels: number;
  /** Whether an attempt of the call listens for its cancel here. */
  isRunHere(callId: string): boolean;
  /** What the call's channel holds. */
  heldOf(callId: string): readonly BusMessage[];
}

export function createMemoryStreamBus(): MemoryStreamBus {
  const channels = new Map<string, Channel>();
  const cancelled = new LRUCache<string, true>({ max: REMEMBERED_CANCELS });

  function open(callId: string): Channel {
    let channel = channels.get(callId);
    if (!channel) {
      channel = { log: [], ended: false, subscribers: new Set(), cancelListeners: new Set() };
      channels.set(callId, channel);
    }
    return channel;
  }

  /**
   * Drops a channel that nobody reads and whose attempt does not run here. Who comes later has no use for what it held:
   * the call goes on elsewhere, or with another attempt. A fenced attempt is not told how its call ends.
   */
  function release(callId: string, channel: Channel): void {
    if (channel.subscribers.size > 0 || channel.cancelListeners.size > 0) return;
    // A reader that left long ago comes here once more when it wakes; the id may have a new channel by then.
    if (channels.get(callId) === channel) channels.delete(callId);
  }

  return {
    get channels() {
      return channels.size;
    },
    isRunHere: (callId) => (channels.get(callId)?.cancelListeners.size ?? 0) > 0,
    heldOf: (callId) => channels.get(callId)?.log ?? [],
    publish(callId, message) {
      const channel = open(callId);
      if (message.type === 'attempt-start' && channel.subscribers.size === 0) channel.log = [];
      channel.log.push(message);
      if (message.type === 'call-end') channel.ended = true;
      const seenBy = channel.subscribers.size;
      for (const subscriber of channel.subscribers) subscriber.wake();
      release(callId, channel);
      return seenBy;
    },
    subscribe(callId, signal) {
      // Registered before the first read, so that what is published in between is not missed.
      const channel = open(callId);
      const subscriber: Subscriber = { next: 0, wake: () => undefined };
      channel.subscribers.add(subscriber);
      const leave = () => {
        subscriber.wake();
        channel.subscribers.delete(subscriber);
        release(callId, channel);
      };
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave, { once: true });
      return readChannel(channel, subscriber, signal, () => {
        signal.removeEventListener('abort', leave);
        leave();
      });
    },
    requestCancel(callId) {
      cancelled.set(callId, true);
      const listeners = channels.get(callId)?.cancelListeners;
      for (const listener of [...(listeners ?? [])]) listener();
      return (listeners?.size ?? 0) > 0;
    },
    onCancel(callId, listener) {
      const channel = open(callId);
      channel.cancelListeners.add(listener);
      // The caller gave up between the call's start and this attempt: waiting for the engine to say so takes seconds.
      if (cancelled.has(callId)) listener();
      return () => {
        channel.cancelListeners.delete(listener);
        release(callId, channel);
      };
    },
  };
}

async function* readChannel(
  channel: Channel,
  subscriber: Subscriber,
  signal: AbortSignal,
  leave: () => void,
): AsyncGenerator<BusMessage[]> {
  try {
    while (!signal.aborted) {
      if (subscriber.next < channel.log.length) {
        const batch = channel.log.slice(subscriber.next);
        subscriber.next = channel.log.length;
        yield batch;
      } else if (channel.ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          subscriber.wake = resolve;
        });
      }
    }
  } finally {
    leave();
  }
}
