/** A server-sent event stream to one client, with backpressure: the writer waits for a slow reader, but not for ever. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { SseEvent } from '../core/chat.ts';
import { formatSse } from '../providers/sse/format-sse.ts';

export interface SseResponse {
  readonly isOpen: boolean;
  write(events: readonly SseEvent[]): Promise<void>;
  end(): void;
}

/** A reader that takes nothing for this long is cut off; it can come back with the last id that it has. */
const STALLED_READER_MS = 60_000;
/** Written at once: a reader that takes this much within its time is slow, not stalled. */
const SLICE_BYTES = 64 * 1024;

export function openSse(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  stalledReaderMs = STALLED_READER_MS,
): SseResponse {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    // Proxies that buffer would hold the tokens back.
    'x-accel-buffering': 'no',
    ...headers,
  });
  async function drained(): Promise<void> {
    // One wait at a time, and its listeners go with it.
    const settled = new AbortController();
    const options = { signal: settled.signal };
    const stalled = setTimeout(() => response.destroy(), stalledReaderMs);
    await Promise.race([once(response, 'drain', options), once(response, 'close', options)]).finally(() => {
      clearTimeout(stalled);
      settled.abort();
    });
  }

  return {
    get isOpen() {
      return !response.destroyed && !response.writableEnded;
    },
    async write(events) {
      const bytes = Buffer.from(events.map(formatSse).join(''));
      for (let start = 0; start < bytes.length && !response.destroyed; start += SLICE_BYTES) {
        if (!response.write(bytes.subarray(start, start + SLICE_BYTES))) await drained();
      }
    },
    end() {
      response.end();
    },
  };
}
