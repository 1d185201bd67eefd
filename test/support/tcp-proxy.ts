/** Test support: a network of the test's own between a client and a server. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TcpProxy {
  port: number;
  /** Connections so far. */
  readonly connections: number;
}

export interface Piece {
  text: string;
  /** From 1, in the order in which they were made. */
  connection: number;
  isFromClient: boolean;
}

/** `cut` breaks the connection; `forget` carries nothing more of it from here on, neither way, and tells nobody. */
export type Judge = (piece: Piece) => 'carry' | 'cut' | 'forget';

/** Closed after the test. */
export async function startTcpProxy(targetPort: number, judge: Judge): Promise<TcpProxy> {
  let connections = 0;
  const open = new Set<() => void>();
  const server = createServer((client) => {
    const connection = (connections += 1);
    const upstream = connect(targetPort, '127.0.0.1');
    let isForgotten = false;
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    open.add(cut);
    for (const socket of [client, upstream]) {
      socket.on('error', cut);
      socket.on('close', () => {
        if (!isForgotten) cut();
      });
    }
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (bytes) => {
        const text = bytes.toString('latin1');
        const verdict = isForgotten ? 'forget' : judge({ text, connection, isFromClient: from === client });
        if (verdict === 'cut') cut();
        if (verdict === 'forget') isForgotten = true;
        if (verdict === 'carry') to.write(bytes);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const cut of open) cut();
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
  };
}
