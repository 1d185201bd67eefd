/**
 * Sees the end of calls that end in another process or through the maintenance sweep: looks the followed ones up in
 * the ledger and puts their end on this process's bus.
 */
import type { Ledger } from '../../core/ports/ledger.ts';
import type { StreamBus } from '../../core/ports/stream-bus.ts';

export interface EndWatch {
  /** Watches a call until the returned function is called. */
  add(callId: string): () => void;
  stop(): void;
}

const POLL_MS = 1_000;

export function createEndWatch(
  ledger: Pick<Ledger, 'getCall'>,
  bus: StreamBus,
  onError: (error: unknown) => void,
): EndWatch {
  const followers = new Map<string, { count: number; since: number }>();
  let polling = false;

  async function poll(): Promise<void> {
    if (polling) return;
    polling = true;
    try {
      for (const [callId, { since }] of followers) {
        if (Date.now() - since < POLL_MS) continue;
        const call = await ledger.getCall(callId);
        if (call?.state === 'ended') bus.publish(callId, { type: 'call-end', call });
      }
    } catch (error) {
      onError(error);
    } finally {
      polling = false;
    }
  }

  const timer = setInterval(() => void poll(), POLL_MS);
  timer.unref();
  return {
    add(callId) {
      const entry = followers.get(callId) ?? { count: 0, since: Date.now() };
      entry.count += 1;
      followers.set(callId, entry);
      return () => {
        entry.count -= 1;
        if (entry.count === 0 && followers.get(callId) === entry) followers.delete(callId);
      };
    },
    stop() {
      clearInterval(timer);
    },
  };
}
