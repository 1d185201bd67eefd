/** What a running call says while it runs, for the doors that wait for it. */
import type { ChatEvent, SseEvent, Wire } from '../chat.ts';
import type { StoredAnswer } from '../call/stored-answer.ts';
import type { ErrorCode } from '../errors.ts';
import type { CallView } from './ledger/views.ts';

export type BusMessage =
  | { type: 'attempt-start'; attempt: number; provider: string; model: string; wire: Wire }
  /** One event of the provider's stream: raw, and what it means. `seq` counts from 0 within the attempt. */
  | { type: 'frame'; attempt: number; seq: number; raw: SseEvent; events: ChatEvent[] }
  | { type: 'attempt-failed'; attempt: number; code: ErrorCode; delivered: boolean }
  /** Recorded in the ledger; `call-end` follows. */
  | { type: 'answer'; attempt: number; stored: StoredAnswer }
  /** The last message of a call. */
  | { type: 'call-end'; call: CallView };

export interface StreamBus {
  /** Adds to the call's channel; gives the number of subscribers that will see it. An `attempt-start` drops what no one saw. */
  publish(callId: string, message: BusMessage): number;
  /** Batches of messages from the first one that the channel holds; ends after `call-end` or when `signal` aborts. */
  subscribe(callId: string, signal: AbortSignal): AsyncIterable<BusMessage[]>;
  /** Asks whoever runs the call to stop. False when no one here does. */
  requestCancel(callId: string): boolean;
  /** Listens for `requestCancel`; returns the way to stop listening. */
  onCancel(callId: string, listener: () => void): () => void;
}
