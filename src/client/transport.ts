/** One HTTP exchange with a gateway. Retries are the caller's matter; layers of them would multiply. */
import { Agent, request as httpRequest, type Dispatcher } from 'undici';
import { HoldfastError } from '../core/errors.ts';
import { errorOfReply, HoldfastClientError, type ReplyHeaders } from './client-error.ts';

export interface TransportOptions {
  /** Of the gateway, such as `http://127.0.0.1:4000`. */
  url: string;
  /** A virtual key; not needed where the gateway asks for none. */
  key?: string | undefined;
}

export interface Exchange {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

export interface Reply {
  status: number;
  headers: ReplyHeaders;
  body: Dispatcher.ResponseData['body'];
}

export interface Transport {
  /** The reply, its body unread. @throws HoldfastClientError for a status of 400 or more, or when there is no reply. */
  open(exchange: Exchange): Promise<Reply>;
  /** The reply with its JSON. */
  json(exchange: Exchange): Promise<{ status: number; headers: ReplyHeaders; body: unknown }>;
}

/** Over HTTP/2 undici sends a refused request again by itself. */
const agent = new Agent({ allowH2: false });

export function createTransport({ url, key }: TransportOptions): Transport {
  const base = checkedBase(url);

  async function open({ method, path, body, headers, signal }: Exchange): Promise<Reply> {
    let reply: Reply;
    try {
      const { statusCode, ...rest } = await httpRequest(base + path, {
        method,
        dispatcher: agent,
        headers: {
          ...headers,
          ...(key && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ?? null,
        // A call may take as long as its own deadline lets it; the gateway ends it, not a timeout of the socket.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      reply = { status: statusCode, ...rest };
    } catch (error) {
      throw lostConnection(error, base, signal);
    }
    if (reply.status < 400) return reply;
    throw errorOfReply(reply.status, reply.headers, await readJson(reply, base, signal));
  }

  return {
    open,
    async json(exchange) {
      const reply = await open(exchange);
      return { status: reply.status, headers: reply.headers, body: await readJson(reply, base, exchange.signal) };
    },
  };
}

/** The error of a connection that failed or broke; the reason of the signal when it was the caller who ended it. */
export function lostConnection(
  error: unknown,
  base: string,
  signal?: AbortSignal,
  callId: string | null = null,
): unknown {
  if (signal?.aborted) return signal.reason;
  if (HoldfastError.is(error)) return error;
  const reason =
    error instanceof Error ? error.message || ('code' in error ? String(error.code) : error.name) : String(error);
  const lost = new HoldfastClientError(
    { code: 'engine_unavailable', message: `The gateway at ${base} does not answer: ${reason}.`, source: 'gateway' },
    { callId, requestId: null, mayRetry: true },
  );
  lost.cause = error;
  return lost;
}

async function readJson(reply: Reply, base: string, signal?: AbortSignal): Promise<unknown> {
  let text: string;
  try {
    text = await reply.body.text();
  } catch (error) {
    throw lostConnection(error, base, signal);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const broken = errorOfReply(reply.status, reply.headers, null);
    broken.cause = error;
    throw broken;
  }
}

function checkedBase(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new HoldfastError('invalid_request', 'The url of the gateway must be such as http://127.0.0.1:4000.', {
      param: 'url',
    });
  }
  return url.replace(/\/+$/, '');
}
