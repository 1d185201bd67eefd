/** The typed client over HTTP. */
import { randomUUID } from 'node:crypto';
import type { ConversionWarning } from '../core/chat.ts';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { nanoUsdFromUsd } from '../core/money.ts';
import { textOf, type ReplyHeaders } from './client-error.ts';
import { readStream } from './read-stream.ts';
import { withRetries } from './retry.ts';
import { createTransport, type Transport, type TransportOptions } from './transport.ts';
import type {
  CallAnswer,
  CallDescription,
  CallHandle,
  CallResultWithContent,
  ClientWire,
  HoldfastClient,
  RequestBody,
  RequestOptions,
} from './types.ts';

/** How long the gateway holds one request for a result open; a longer wait asks again. */
const WAIT_SECONDS = 30;

const PATHS: Readonly<Record<ClientWire, string>> = {
  'openai-chat': '/v1/chat/completions',
  'anthropic-messages': '/v1/messages',
  'openai-embeddings': '/v1/embeddings',
};

/**
 * @example
 * const client = createClient({ url: 'http://127.0.0.1:4000', key: process.env.HOLDFAST_KEY });
 * const { answer, costNanoUsd } = await client.call({ model: 'smart', messages: [{ role: 'user', content: 'Hi' }] });
 */
export function createClient(options: TransportOptions): HoldfastClient {
  const transport = createTransport(options);
  return {
    async call(request, given = {}) {
      const settled = withKey(given);
      const { headers, body } = await withRetries(settled.retries ?? 0, settled.signal, () =>
        transport.json({ ...post(pathOf(settled), inOnePiece(request)), ...steering(settled) }),
      );
      return answerOf(headers, body);
    },
    async stream(request, given = {}) {
      const { wire = 'openai-chat', signal } = given;
      const reply = await transport.open({ ...post(pathOf(given), { ...request, stream: true }), ...steering(given) });
      const callId = textOf(reply.headers['x-holdfast-call-id']) ?? '';
      const requestId = textOf(reply.headers['x-request-id']);
      const chunks = readStream(reply.body as AsyncIterable<Uint8Array>, {
        wire,
        callId,
        requestId,
        url: options.url,
        signal,
      });
      return { callId, replayed: isReplayed(reply.headers), [Symbol.asyncIterator]: () => chunks };
    },
    async start(request, given = {}) {
      const settled = withKey(given);
      const { wire = 'openai-chat' } = settled;
      const kind = wire === 'openai-embeddings' ? 'embedding' : 'chat';
      const { body } = await withRetries(settled.retries ?? 0, settled.signal, () =>
        transport.json({ ...post('/api/v1/calls', { kind, wire, request }), ...steering(settled) }),
      );
      return handleOf(transport, (body as { call: CallDescription }).call.id);
    },
    getCall: (id) => handleOf(transport, id),
  };
}

function handleOf(transport: Transport, id: string): CallHandle {
  const path = `/api/v1/calls/${encodeURIComponent(id)}`;
  return {
    id,
    async result({ signal } = {}) {
      for (;;) {
        const { status, body } = await transport.json({
          method: 'GET',
          path: `${path}/result?waitSeconds=${String(WAIT_SECONDS)}`,
          signal,
        });
        if (status === 200) return body as CallResultWithContent;
      }
    },
    async describe({ signal } = {}) {
      return (await transport.json({ method: 'GET', path, signal })).body as CallDescription;
    },
    async cancel({ signal } = {}) {
      return (await transport.json({ method: 'POST', path: `${path}/cancel`, signal })).body as CallDescription;
    },
  };
}

function inOnePiece({ stream: _stream, stream_options: _options, ...request }: RequestBody): JsonObject {
  return request;
}

/** A repeat without a key would be a second call. */
function withKey(options: RequestOptions): RequestOptions {
  return options.retries && options.idempotencyKey === undefined
    ? { ...options, idempotencyKey: randomUUID() }
    : options;
}

function post(path: string, body: unknown) {
  return { method: 'POST', path, body } as const;
}

function pathOf({ wire = 'openai-chat' }: RequestOptions): string {
  return PATHS[wire];
}

function steering({ idempotencyKey, tags, mode, signal }: RequestOptions) {
  return {
    signal,
    headers: {
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      ...(mode && { 'x-holdfast-mode': mode }),
      ...(tags && { 'x-holdfast-tags': asciiJson(tags) }),
    },
  };
}

/** JSON that a header can carry. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function answerOf(headers: ReplyHeaders, body: unknown): CallAnswer {
  const costUsd = textOf(headers['x-holdfast-cost-usd']);
  const warnings = textOf(headers['x-holdfast-warnings']);
  return {
    callId: textOf(headers['x-holdfast-call-id']) ?? '',
    answer: isJsonObject(body) ? body : ({} satisfies JsonObject),
    provider: textOf(headers['x-holdfast-provider']),
    model: textOf(headers['x-holdfast-model']),
    attempts: Number(textOf(headers['x-holdfast-attempts']) ?? 0),
    costNanoUsd: costUsd === null || costUsd === 'unpriced' ? null : nanoUsdFromUsd(costUsd).toString(),
    replayed: isReplayed(headers),
    warnings: readWarnings(warnings),
  };
}

/** The gateway cuts a header that would be too long; warnings that were cut are left out. */
function readWarnings(text: string | null): ConversionWarning[] {
  if (text === null) return [];
  try {
    return JSON.parse(text) as ConversionWarning[];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function isReplayed(headers: ReplyHeaders): boolean {
  return textOf(headers['idempotent-replayed']) === 'true';
}
