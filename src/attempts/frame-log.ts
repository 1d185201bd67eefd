/** The events of one streamed attempt on their way to the doors and into the stored answer. */
import type { ChatEvent, SseEvent } from '../core/chat.ts';
import type { StreamBus } from '../core/ports/stream-bus.ts';

export interface FrameLog {
  add(raw: SseEvent, events: ChatEvent[]): void;
  /** The raw events so far; null when nothing was streamed. */
  readonly log: SseEvent[] | null;
  /** The provider's id of the answer, where its first event said one. */
  readonly responseId: string | null;
  /** Content reached a subscriber: another attempt may not follow in silence. */
  readonly wasDelivered: boolean;
  /** Waits until the ledger knows, or failed to learn, that the attempt streams. */
  settled(): Promise<void>;
}

export function createFrameLog(
  bus: StreamBus,
  callId: string,
  attempt: number,
  onFirst: (responseId: string | null) => Promise<unknown>,
  onError: (error: unknown) => void,
): FrameLog {
  const log: SseEvent[] = [];
  let wasDelivered = false;
  let responseId: string | null = null;
  let marked: Promise<unknown> = Promise.resolve();
  return {
    add(raw, events) {
      if (log.length === 0) {
        // Only the row's state depends on it: a busy ledger here must not cost the answer.
        responseId = responseIdOf(events);
        marked = onFirst(responseId).catch(onError);
      }
      const seenBy = bus.publish(callId, { type: 'frame', attempt, seq: log.length, raw, events });
      log.push(raw);
      if (seenBy > 0 && events.some(isContent)) wasDelivered = true;
    },
    get log() {
      return log.length > 0 ? log : null;
    },
    get responseId() {
      return responseId;
    },
    get wasDelivered() {
      return wasDelivered;
    },
    async settled() {
      await marked;
    },
  };
}

function responseIdOf(events: readonly ChatEvent[]): string | null {
  const start = events.find((event) => event.type === 'start');
  return start?.id ?? null;
}

/** Whether another attempt may not follow in silence once a client has it. */
export function isContent({ type }: ChatEvent): boolean {
  return type !== 'start' && type !== 'usage';
}
