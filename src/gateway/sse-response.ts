/** A server-sent event stream to one client, with backpressure: the writer waits for a slow reader. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { SseEvent } from '../core/chat.ts';
import { formatSse } from '../providers/sse/format-sse.ts';

export interface SseResponse {
  readonly isOpen: boolean;
  write(events: readonly SseEvent[]): Promise<void>;
  end(): void;
}

export function openSse(response: ServerResponse, headers: Readonly<Record<string, string>>): SseResponse {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    // Proxies that buffer would hold the tokens back.
    'x-accel-buffering': 'no',
    ...headers,
  });
  return {
    get isOpen() {
      return !response.destroyed && !response.writableEnded;
    },
    async write(events) {
      if (events.length === 0 || response.destroyed) return;
      if (response.write(events.map(formatSse).join(''))) return;
      // One wait at a time, and its listeners go with it.
      const settled = new AbortController();
      const options = { signal: settled.signal };
      await Promise.race([once(response, 'drain', options), once(response, 'close', options)]).finally(() =>
        settled.abort(),
      );
    },
    end() {
      response.end();
    },
  };
}
