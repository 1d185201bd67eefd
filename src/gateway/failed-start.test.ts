/** A node whose workers cannot start says so, whoever has found its port by then. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { startTestServer } from '../../test/support/temporal/dev-server.ts';
import { parseSettings } from '../config/load.ts';
import { providerAdapters } from '../providers/registry.ts';
import { connectNative } from '../temporal/connection.ts';
import { freePorts } from '../temporal/server/free-ports.ts';
import { startNode } from './node.ts';

/** A health check or a port scan: connected as soon as somebody listens, and then it says nothing. */
async function connectSilently(port: number, givenUp: AbortSignal): Promise<Socket | null> {
  while (!givenUp.aborted) {
    const socket = connect(port, '127.0.0.1');
    const isConnected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    if (isConnected) return socket;
    await delay(5);
  }
  return null;
}

it('ends with what is wrong, and waits for no client that is silent', { timeout: 180_000 }, async () => {
  const server = await startTestServer();
  onTestFinished(() => server.stop());
  const home = await mkdtemp(join(tmpdir(), 'holdfast-failed-start-'));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const connection = await connectNative({ address: server.address });
  onTestFinished(() => connection.close());
  const [port = 0] = await freePorts(1);
  const settings = parseSettings(
    `gateway: { port: ${String(port)} }\nproviders: { sim: { kind: simulated, baseUrl: 'https://sim.example/v1' } }`,
    'test',
    { env: {}, adapters: providerAdapters },
  );
  const over = new AbortController();
  const silent = connectSilently(port, over.signal);
  const startedAt = performance.now();
  const logger = pino({ level: 'silent' });
  // Workers are the first to see that this namespace is not there.
  const start = startNode({ settings, home, env: {}, connection, namespace: 'nowhere', logger, isAlone: true });
  await expect(start).rejects.toThrow(/Namespace nowhere was not found/);
  // Node's own server gives a silent client a minute.
  expect(performance.now() - startedAt).toBeLessThan(55_000);
  over.abort();
  const socket = await silent;
  expect(socket?.bytesWritten).toBe(0);
  socket?.destroy();
});
