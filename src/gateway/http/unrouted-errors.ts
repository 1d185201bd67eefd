/** Errors of requests that never reach a route, in the shape of all others: a broken URL, or what Node's parser refuses. */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorRecord } from '../../core/errors.ts';
import { errorReply } from './error-reply.ts';
import { sendError } from './send-error.ts';

/** Of Fastify's router, before any hook. */
export function replyToBadUrl(_error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const record = invalid('The path is no valid URL path, or names an id of over 256 characters.', 400);
  void sendError(reply.header('x-request-id', request.id), record, 'openai', request.id);
}

/** Of Node's parser, which has a connection and no request. */
export function replyToBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  // A connection that is gone hears nothing.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const requestId = `req_${randomUUID()}`;
  const { status, headers, body } = errorReply(recordOf(error.code), 'openai', requestId);
  const text = JSON.stringify(body);
  const lines = {
    ...headers,
    'x-request-id': requestId,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}`, ...head, '', text].join('\r\n'));
}

function recordOf(code: string | undefined): ErrorRecord {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return invalid('The headers are larger than 16 KiB together.', 431);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return invalid('The request did not come whole in time.', 408);
    default:
      return invalid('This is not a valid HTTP request.', 400);
  }
}

function invalid(message: string, status: number): ErrorRecord {
  return { code: 'invalid_request', message, source: 'gateway', status };
}
