/**
 * The headers that steer a call. A value that cannot be honoured is refused, never ignored. `x-holdfast-cache` in seconds
 * is a permission to answer from a cache, not a demand, so a gateway without a cache honours it. `traceparent` does not
 * steer a call: it is passed over.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { parseTags } from '../../core/call/parse-tags.ts';
import type { CallMode } from '../../core/call/types.ts';
import { HoldfastError } from '../../core/errors.ts';
import { ON_DISCONNECT, type OnDisconnect } from '../../core/settings.ts';
import { parseStreamPosition, type StreamPosition } from '../streams/stream-position.ts';

export interface RequestOptions {
  /** The presented key, from `Authorization: Bearer` or `x-api-key`. */
  key: string | null;
  idempotencyKey: string | null;
  tags: Record<string, string>;
  /** `x-holdfast-mode: background`; null leaves it to the route. */
  mode: CallMode | null;
  /** `x-stainless-retry-count` of the official SDKs is above 0: an earlier try of this request did not bring its answer. */
  isSdkRetry: boolean;
  /** `x-holdfast-stream: rollback`: the client understands `attempt-rollback` events. */
  takesRollbacks: boolean;
  /** `x-holdfast-on-disconnect`; null leaves it to the model. */
  onDisconnect: OnDisconnect | null;
  /** `Last-Event-ID`: where the client stands in the stream that it takes up again. */
  resumeFrom: StreamPosition | null;
}

const PRINTABLE = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;
/** `off`, or for how many seconds an answer may be taken from a cache. */
const CACHE = /^(?:off|\d{1,9})$/;

export function readRequestOptions(headers: IncomingHttpHeaders): RequestOptions {
  const cache = single(headers, 'x-holdfast-cache');
  if (cache !== null && !CACHE.test(cache)) {
    throw invalid('x-holdfast-cache', 'x-holdfast-cache must be off or a whole number of seconds.');
  }
  const idempotencyKey = single(headers, 'idempotency-key');
  if (idempotencyKey !== null && !PRINTABLE.test(idempotencyKey)) {
    throw invalid('Idempotency-Key', 'The Idempotency-Key must be 1 to 255 printable ASCII characters.');
  }
  return {
    key: presentedKey(headers),
    idempotencyKey,
    tags: readTags(single(headers, 'x-holdfast-tags')),
    mode: readMode(single(headers, 'x-holdfast-mode')),
    isSdkRetry: /^[1-9]\d{0,3}$/.test(single(headers, 'x-stainless-retry-count') ?? ''),
    onDisconnect: readOnDisconnect(headers),
    ...readStreamOptions(headers),
  };
}

function readOnDisconnect(headers: IncomingHttpHeaders): OnDisconnect | null {
  const asked = single(headers, 'x-holdfast-on-disconnect');
  const policy = ON_DISCONNECT.find((each) => each === asked);
  if (asked !== null && policy === undefined) {
    throw invalid('x-holdfast-on-disconnect', `x-holdfast-on-disconnect must be one of ${ON_DISCONNECT.join(', ')}.`);
  }
  return policy ?? null;
}

export function readStreamOptions(headers: IncomingHttpHeaders): Pick<RequestOptions, 'takesRollbacks' | 'resumeFrom'> {
  const stream = single(headers, 'x-holdfast-stream');
  if (stream !== null && stream !== 'rollback') {
    throw invalid('x-holdfast-stream', 'The only value of x-holdfast-stream is rollback.');
  }
  const lastEventId = single(headers, 'last-event-id');
  return {
    takesRollbacks: stream === 'rollback',
    resumeFrom: lastEventId === null ? null : parseStreamPosition(lastEventId),
  };
}

export function presentedKey(headers: IncomingHttpHeaders): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(single(headers, 'authorization') ?? '')?.[1];
  return bearer ?? single(headers, 'x-api-key');
}

function readMode(mode: string | null): CallMode | null {
  if (mode === null || mode === 'auto') return null;
  if (mode === 'background') return mode;
  throw invalid('x-holdfast-mode', `There is no mode "${mode.slice(0, 40)}"; use auto or background.`);
}

function readTags(text: string | null): Record<string, string> {
  if (text === null) return {};
  const json = asUtf8(text);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw invalid('x-holdfast-tags', 'The tags are not valid JSON; send an object of strings.');
  }
  return parseTags(value, 'x-holdfast-tags');
}

/** Node reads the bytes of a header as Latin-1, and curl sends those of UTF-8: a user of another name could not be erased. */
function asUtf8(text: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'));
  } catch {
    throw invalid('x-holdfast-tags', 'The tags are not UTF-8; write what is beyond ASCII as \\u escapes.');
  }
}

function single(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
}

function invalid(param: string, message: string): HoldfastError {
  return new HoldfastError('invalid_request', message, { param });
}
