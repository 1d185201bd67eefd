/** Errors of the client: the gateway's own, rebuilt from the reply, with the call they belong to. */
import { HoldfastError, isErrorCode, type ErrorCode, type ErrorRecord } from '../core/errors.ts';
import { isJsonObject, type JsonObject } from '../core/json.ts';

/** A `HoldfastError` as the client throws it. `HoldfastError.is` knows it; `code` says what happened. */
export class HoldfastClientError extends HoldfastError {
  /** Null when the request was refused before it became a call. */
  readonly callId: string | null;
  /** Names the HTTP request in the gateway's log; null when the gateway was not reached. */
  readonly requestId: string | null;
  /** Whether the gateway says that the same request may succeed later. */
  readonly mayRetry: boolean;

  constructor(record: ErrorRecord, origin: { callId: string | null; requestId: string | null; mayRetry: boolean }) {
    const { code, message, ...extra } = record;
    super(code, message, extra);
    this.callId = origin.callId;
    this.requestId = origin.requestId;
    this.mayRetry = origin.mayRetry;
  }
}

export type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The error that a reply with a status of 400 or more stands for. */
export function errorOfReply(status: number, headers: ReplyHeaders, body: unknown): HoldfastClientError {
  const retryAfterMs = Number(textOf(headers['retry-after-ms']) ?? Number.NaN);
  const source = textOf(headers['x-holdfast-error-source']);
  return errorOfBody(body, {
    status,
    callId: textOf(headers['x-holdfast-call-id']),
    requestId: textOf(headers['x-request-id']),
    mayRetry: textOf(headers['x-should-retry']) === 'true',
    ...(Number.isFinite(retryAfterMs) && { retryAfterMs }),
    ...((source === 'gateway' || source === 'provider') && { source }),
  });
}

interface ErrorOrigin {
  callId: string | null;
  requestId: string | null;
  mayRetry: boolean;
  status?: number;
  retryAfterMs?: number;
  source?: 'gateway' | 'provider';
}

/** Reads `{error: {code, message, ...}}`, as both wires have it in their errors and in a stream that breaks off. */
export function errorOfBody(body: unknown, origin: ErrorOrigin): HoldfastClientError {
  const { status, retryAfterMs, source } = origin;
  const error: JsonObject = isJsonObject(body) && isJsonObject(body['error']) ? body['error'] : {};
  const code: ErrorCode = isErrorCode(error['code']) ? error['code'] : 'engine_unavailable';
  const message = typeof error['message'] === 'string' ? error['message'] : unreadable(status);
  return new HoldfastClientError(
    {
      code,
      message,
      source: source ?? (code.startsWith('provider_') ? 'provider' : 'gateway'),
      ...(status !== undefined && { status }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(typeof error['param'] === 'string' && { param: error['param'] }),
      ...(isJsonObject(error['details']) && { details: error['details'] }),
    },
    origin,
  );
}

function unreadable(status: number | undefined): string {
  return `What answered is not a Holdfast gateway${status === undefined ? '' : ` (status ${String(status)})`}. Check the url of the client.`;
}

export function textOf(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}
