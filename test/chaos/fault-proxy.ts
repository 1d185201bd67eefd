/** The network between the node and its provider, owned by the campaign: a TCP proxy that can be told to fail. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { NetworkFaultKind } from './plan.ts';

export interface FaultProxy {
  /** Fails in this way for so long, then heals. */
  fail(kind: NetworkFaultKind, forMs: number): Promise<void>;
  close(): Promise<void>;
}

const SLOW_CHUNK_MS = 150;

export async function startFaultProxy(port: number, targetPort: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let fault: NetworkFaultKind | null = null;
  let healed = Promise.resolve();

  function carry(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      from.pause();
      void pass(chunk).then(() => {
        if (!to.destroyed) to.write(chunk);
        from.resume();
      });
    });
    from.on('end', () => void healed.then(() => to.end()));
    // A connection that breaks on one side breaks on the other, as it would without a proxy.
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  }

  async function pass(chunk: Buffer): Promise<void> {
    if (fault === 'black-hole') await healed;
    if (fault === 'slow') await delay(Math.min(SLOW_CHUNK_MS, chunk.byteLength));
  }

  const server = createServer((client) => {
    if (fault === 'reset') {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(targetPort, '127.0.0.1');
    for (const socket of [client, upstream]) sockets.add(socket.setNoDelay(true));
    carry(client, upstream);
    carry(upstream, client);
  });
  await listen(server, port);

  return {
    async fail(kind, forMs) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      healed = promise.then(() => undefined);
      fault = kind;
      if (kind === 'reset') for (const socket of sockets) socket.resetAndDestroy();
      const closed = kind === 'refuse' ? stopListening(server) : null;
      await delay(forMs);
      fault = null;
      resolve(undefined);
      if (closed) {
        for (const socket of sockets) socket.destroy();
        await closed;
        await listen(server, port);
      }
    },
    async close() {
      const closed = stopListening(server);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
