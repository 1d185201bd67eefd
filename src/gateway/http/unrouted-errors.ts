/** Errors of requests that never reach a route, in the shape of all others: a broken URL, or what Node's parser refuses. */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorRecord } from '../../core/errors.ts';
import { errorReply } from './error-reply.ts';
import { sendError, shapeOf } from './send-error.ts';

/** The two handlers as Fastify's options have them. @param onRefused counts. */
export function createUnroutedErrors(onRefused: (error: ErrorRecord) => void) {
  const answering = new WeakMap<Socket, number>();

  return {
    /** From now on, so that nothing is written into an answer of an earlier request on the same connection. */
    follow(server: Server): void {
      server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
        answering.set(socket, (answering.get(socket) ?? 0) + 1);
        response.once('close', () => answering.set(socket, (answering.get(socket) ?? 1) - 1));
      });
    },
    /** Of Fastify's router, before any hook. */
    frameworkErrors(_error: unknown, request: FastifyRequest, reply: FastifyReply): void {
      const record = invalid('The path is no valid URL path, or has a part of over 256 characters.', 400);
      onRefused(record);
      void sendError(reply.header('x-request-id', request.id), record, shapeOf(request), request.id);
    },
    /** Of Node's parser, which has a connection and no request. Nothing more can be read from it. */
    clientErrorHandler({ code }: Error & { code?: string }, socket: Socket): void {
      if (code !== 'ECONNRESET' && socket.writable && (answering.get(socket) ?? 0) === 0) {
        const record = recordOf(code);
        onRefused(record);
        socket.write(replyText(record));
        socket.destroySoon();
      } else {
        socket.destroy();
      }
    },
  };
}

function replyText(record: ErrorRecord): string {
  const requestId = `req_${randomUUID()}`;
  const { status, headers, body } = errorReply(record, 'openai', requestId);
  const text = JSON.stringify(body);
  const fields = {
    ...headers,
    'x-request-id': requestId,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}`, ...head, '', text].join('\r\n');
}

function recordOf(code: string | undefined): ErrorRecord {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return invalid('The headers are larger than 16 KiB together.', 431);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      // Nothing is wrong with it, and it may be sent again.
      return {
        code: 'engine_unavailable',
        message: 'The request did not come whole in time.',
        source: 'gateway',
        status: 408,
      };
    default:
      return invalid('This is not a valid HTTP request.', 400);
  }
}

function invalid(message: string, status: number): ErrorRecord {
  return { code: 'invalid_request', message, source: 'gateway', status };
}
