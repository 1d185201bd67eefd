/** Brings the ledger's events to telemetry, each at least once, also those that a lost process left behind. */
import type { Ledger } from '../core/ports/ledger.ts';
import type { OutboxEvent } from '../core/ports/ledger/upkeep.ts';

export interface OutboxRelay {
  /** Delivers what is there now; for the end of a drain. */
  flush(): Promise<void>;
  stop(): void;
}

export interface OutboxRelayOptions {
  ledger: Pick<Ledger, 'takeOutbox' | 'ackOutbox'>;
  /** Emits one event; ids and figures, never content. One that throws is emitted again later. */
  emit(event: OutboxEvent): void;
  onError(error: unknown): void;
  /** Default 1 s. */
  everyMs?: number;
}

const BATCH = 200;
const DEFAULT_EVERY_MS = 1_000;

export function startOutboxRelay({
  ledger,
  emit,
  onError,
  everyMs = DEFAULT_EVERY_MS,
}: OutboxRelayOptions): OutboxRelay {
  let running: Promise<void> | null = null;

  async function relay(): Promise<void> {
    for (;;) {
      const events = await ledger.takeOutbox(BATCH);
      if (events.length === 0) return;
      for (const event of events) emit(event);
      await ledger.ackOutbox(events.map(({ id }) => id));
    }
  }

  /** One reader at a time: the next run begins where this one ends. */
  function run(): Promise<void> {
    running ??= relay().finally(() => {
      running = null;
    });
    return running;
  }

  const timer = setInterval(() => {
    run().catch(onError);
  }, everyMs);
  timer.unref();
  return {
    flush: run,
    stop() {
      clearInterval(timer);
    },
  };
}
