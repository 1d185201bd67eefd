/** A server-sent event stream to one client, with backpressure: the writer waits for a slow reader, but not for ever. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { SseEvent } from '../../core/chat.ts';
import { formatSse } from '../../providers/sse/format-sse.ts';

export interface SseResponse {
  readonly isOpen: boolean;
  write(events: readonly SseEvent[]): Promise<void>;
  end(): void;
}

/** A reader that takes nothing for this long is cut off; it can come back with the last id that it has. */
export const STALLED_READER_MS = 60_000;
/** Written at once: a reader that takes this much within its time is slow, not stalled. */
const SLICE_BYTES = 64 * 1024;

/** A model that thinks in the middle of its answer is silent for longer than many proxies keep an idle connection. */
const KEEP_ALIVE_MS = 15_000;
/** A comment: every reader of server-sent events passes over it. */
const KEEP_ALIVE = ': keep-alive\n\n';

export interface SseOptions {
  /** Default 60 s. */
  stalledReaderMs?: number;
  /** A comment is written after this long without an event. Default 15 s. */
  keepAliveMs?: number;
}

export function openSse(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  { stalledReaderMs = STALLED_READER_MS, keepAliveMs = KEEP_ALIVE_MS }: SseOptions = {},
): SseResponse {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    // Proxies that buffer would hold the tokens back.
    'x-accel-buffering': 'no',
    ...headers,
  });
  const keepAlive = setInterval(() => {
    // To a reader who is behind, the next bytes say as much.
    if (!response.writableNeedDrain) response.write(KEEP_ALIVE);
  }, keepAliveMs);
  response.once('close', () => clearInterval(keepAlive));

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
      if (bytes.length > 0) keepAlive.refresh();
      for (let start = 0; start < bytes.length && !response.destroyed; start += SLICE_BYTES) {
        if (!response.write(bytes.subarray(start, start + SLICE_BYTES))) await drained();
      }
    },
    end() {
      clearInterval(keepAlive);
      response.end();
    },
  };
}
