/** Streams whose wire is the caller's own: each event goes on as it came, but for the end mark and what only we asked for. */
import type { ChatEvent, SseEvent } from '../core/chat.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { wantsUsage } from './openai/stream-encoder.ts';

export interface DoorStream {
  /** What goes to the caller for one event of the provider's stream, raw and decoded. */
  push(raw: SseEvent, events: readonly ChatEvent[]): SseEvent[];
  /** The end of the caller's stream. Call once, after the answer is recorded. */
  end(): SseEvent[];
}

const NULL_USAGE = /,\s*"usage"\s*:\s*null/;
const NO_CHOICES = /"choices"\s*:\s*\[\s*\]/;
const SOME_USAGE = /"usage"\s*:\s*\{/;

/** We ask every provider for usage; a caller who did not must see no trace of that. */
export function passOpenAi(request: CallRequest): DoorStream {
  const isUsageAsked = wantsUsage(request);
  return {
    push({ data }) {
      if (data === '' || data.startsWith('[DONE]')) return [];
      if (isUsageAsked) return [{ data }];
      if (NO_CHOICES.test(data) && SOME_USAGE.test(data)) return [];
      // Only structure can match: inside a JSON string each quote has a backslash before it.
      return [{ data: data.replace(NULL_USAGE, '') }];
    },
    end: () => [{ data: '[DONE]' }],
  };
}

export function passAnthropic(): DoorStream {
  let last: SseEvent = { event: 'message_stop', data: '{"type":"message_stop"}' };
  return {
    push({ event, data }) {
      if (event === 'message_stop') {
        last = { event, data };
        return [];
      }
      return data === '' ? [] : [{ ...(event !== undefined && { event }), data }];
    },
    end: () => [last],
  };
}
