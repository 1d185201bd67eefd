/** The chunks of a streamed answer, up to its end mark. A stream without one was cut, whatever was read until then. */
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { createSseParser } from '../providers/sse/parse-sse.ts';
import { errorOfBody, HoldfastClientError } from './client-error.ts';
import { lostConnection } from './transport.ts';
import type { ClientWire } from './types.ts';

export interface StreamOrigin {
  wire: ClientWire;
  callId: string;
  requestId: string | null;
  url: string;
  signal?: AbortSignal | undefined;
}

/** @throws HoldfastClientError when the call fails in mid-stream or the connection is lost. */
export async function* readStream(body: AsyncIterable<Uint8Array>, origin: StreamOrigin): AsyncGenerator<JsonObject> {
  const parser = createSseParser();
  let isWhole = false;
  try {
    // Read to the end of the body, beyond the end mark, so that the connection can be used again.
    for await (const bytes of body) {
      for (const { data } of parser.push(bytes)) {
        if (data === '[DONE]') isWhole = true;
        if (isWhole) continue;
        const chunk = readChunk(data, origin);
        isWhole = origin.wire === 'anthropic-messages' && chunk['type'] === 'message_stop';
        yield chunk;
      }
    }
  } catch (error) {
    // Whatever happens to the connection after the end mark takes nothing from the answer.
    if (!isWhole) throw lostConnection(error, origin.url, origin.signal, origin.callId);
  }
  if (!isWhole) throw cut(origin);
}

function readChunk(data: string, origin: StreamOrigin): JsonObject {
  const chunk: unknown = JSON.parse(data);
  if (!isJsonObject(chunk)) throw new TypeError('a chunk of the stream is not a JSON object');
  if (isJsonObject(chunk['error'])) throw errorOfBody(chunk, { ...origin, mayRetry: false });
  return chunk;
}

function cut({ callId, requestId }: StreamOrigin): HoldfastClientError {
  return new HoldfastClientError(
    {
      code: 'engine_unavailable',
      message:
        'The stream broke off before its end. With an Idempotency-Key the call goes on: ask again with the same key.',
      source: 'gateway',
    },
    { callId, requestId, mayRetry: false },
  );
}
