/** The end of the HTTP server of a node: open requests get their answers, and nobody who asked nothing yet is waited for. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { STALLED_READER_MS } from '../streams/sse-response.ts';

const CHECK_MS = 200;
/** In which a request that had begun to arrive may still come to its end; it is served, or told that the node stops. */
const HALF_REQUEST_MS = 5_000;
/** A client that never finishes reading does not keep the node from stopping for longer. */
const DRAIN_LIMIT_MS = 600_000;

export interface DrainOptions {
  /** A reader that takes nothing of an answer for so long, or at most twice as long, is cut off. Default 60 s. */
  stalledReaderMs?: number;
}

interface Asked {
  /** Those without an answer that has left this process whole, in the order in which they are answered. */
  readonly open: Map<IncomingMessage, ServerResponse>;
  last: IncomingMessage | null;
  /** How many bytes had come when the last one was whole. More of them are part of another. */
  bytesOfRequests: number;
}

/** Follows the connections of the server from now on; gives how to close it. */
export function drainsConnections(
  app: FastifyInstance,
  { stalledReaderMs = STALLED_READER_MS }: DrainOptions = {},
): () => Promise<void> {
  const connections = followConnections(app.server);
  return async () => {
    // To Node a connection is idle as soon as its answer was handed over, however much of it still waits to be sent: its
    // own close would cut off every slow reader.
    app.server.closeIdleConnections = () => undefined;
    const began = performance.now();
    const closeIdle = () => {
      const elapsedMs = performance.now() - began;
      for (const [connection, asked] of connections) {
        if (!isInUse(connection, asked, elapsedMs)) {
          connection.destroy();
          continue;
        }
        // A provider may take as long as it takes, but what is ready to be sent is to be read. The server ends what times
        // out, and to be read slowly is no timeout.
        const [sending] = asked.open.values();
        const timeoutMs = sending?.writableEnded === true ? stalledReaderMs : 0;
        if (connection.timeout !== timeoutMs) connection.setTimeout(timeoutMs);
      }
    };
    closeIdle();
    const check = setInterval(closeIdle, CHECK_MS);
    const limit = setTimeout(() => app.server.closeAllConnections(), DRAIN_LIMIT_MS);
    try {
      await app.close();
    } finally {
      clearInterval(check);
      clearTimeout(limit);
    }
  };
}

function isInUse(connection: Socket, { open, last, bytesOfRequests }: Asked, elapsedMs: number): boolean {
  if (connection.writableLength > 0 || [...open.keys()].some(({ complete }) => complete)) return true;
  // Its first bytes may be on their way.
  if (connection.bytesRead === 0) return elapsedMs < CHECK_MS;
  // A server that closes has no time limit of its own for requests.
  const isHalf = last?.complete === false || connection.bytesRead > bytesOfRequests;
  return isHalf && elapsedMs < HALF_REQUEST_MS;
}

function followConnections(server: Server): ReadonlyMap<Socket, Asked> {
  const connections = new Map<Socket, Asked>();
  server.on('connection', (connection: Socket) => {
    connections.set(connection, { open: new Map(), last: null, bytesOfRequests: 0 });
    connection.once('close', () => connections.delete(connection));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const asked = connections.get(request.socket);
    if (!asked) return;
    asked.last = request;
    asked.open.set(request, response);
    // Comes after `finish`, when the system has the last byte.
    response.once('close', () => asked.open.delete(request));
    const count = () => {
      asked.bytesOfRequests = request.socket.bytesRead;
    };
    // By then the parser has seen all of the packet that ended the headers.
    process.nextTick(() => {
      count();
      if (!request.complete) request.once('end', count);
    });
  });
  return connections;
}
