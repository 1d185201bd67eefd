/** The end of the HTTP server of a node: open requests get their answers, and nobody who asked nothing yet is waited for. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

const CHECK_MS = 200;
/** In which a request that had begun to arrive may still come to its end; it is served, or told that the node stops. */
const HALF_REQUEST_MS = 5_000;
/** A client that never finishes reading does not keep the node from stopping for longer. */
const DRAIN_LIMIT_MS = 600_000;

/** Follows the connections of the server from now on; gives how to close it. */
export function drainsConnections(app: FastifyInstance): () => Promise<void> {
  const connections = followConnections(app.server);
  return async () => {
    const began = performance.now();
    const check = setInterval(() => {
      // Those that clients keep open for a request to come.
      app.server.closeIdleConnections();
      // To the server one with less than a request is not idle, and a server that closes has no time limit for requests.
      const mayStillArrive = performance.now() - began < HALF_REQUEST_MS;
      for (const [connection, asked] of connections) {
        const isHalf = mayStillArrive && connection.bytesRead > 0;
        if (!isHalf && ![...asked].some(({ complete }) => complete)) connection.destroy();
      }
    }, CHECK_MS);
    const limit = setTimeout(() => app.server.closeAllConnections(), DRAIN_LIMIT_MS);
    try {
      await app.close();
    } finally {
      clearInterval(check);
      clearTimeout(limit);
    }
  };
}

/** Each with its requests that have no answer yet, or only the beginning of one. */
function followConnections(server: Server): ReadonlyMap<Socket, ReadonlySet<IncomingMessage>> {
  const connections = new Map<Socket, Set<IncomingMessage>>();
  server.on('connection', (connection: Socket) => {
    connections.set(connection, new Set());
    connection.once('close', () => connections.delete(connection));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const asked = connections.get(request.socket);
    asked?.add(request);
    response.once('close', () => asked?.delete(request));
  });
  return connections;
}
