import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { until } from '../../../test/support/test-node.ts';
import { openSse } from './sse-response.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A response to a client that reads nothing until it is told to. */
async function stage(): Promise<{ response: ServerResponse; client: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const arrived = once(server, 'request') as Promise<[unknown, ServerResponse]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.pause();
  client.on('error', () => undefined);
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  cleanups.push(() => {
    client.destroy();
    server.close();
  });
  const [, response] = await arrived;
  return { response, client };
}

/** More than the sockets' own buffers take. */
const BULK = { data: 'x'.repeat(8 * 1024 * 1024) };

it('waits for a slow reader instead of buffering, and goes on when it reads', async () => {
  const { response, client } = await stage();
  const sse = openSse(response, {}, { stalledReaderMs: 60_000 });
  const written = sse.write([BULK]);
  let isWritten = false;
  void written.then(() => {
    isWritten = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isWritten).toBe(false);
  client.resume();
  await written;
  expect(sse.isOpen).toBe(true);
});

it('cuts off a reader that takes nothing for too long', async () => {
  const { response } = await stage();
  const sse = openSse(response, {}, { stalledReaderMs: 50 });
  await sse.write([BULK]);
  expect(sse.isOpen).toBe(false);
  expect(response.destroyed).toBe(true);
});

it('lets a slow reader go on that takes a little at a time', async () => {
  const { response, client } = await stage();
  const sse = openSse(response, {}, { stalledReaderMs: 2_500 });
  let received = 0;
  client.on('data', (chunk: Buffer) => {
    received += chunk.length;
    client.pause();
    setTimeout(() => client.resume(), 10);
  });
  client.resume();
  const started = performance.now();
  await sse.write([BULK, BULK, BULK]);
  expect(sse.isOpen).toBe(true);
  // Longer than a stalled reader is given, so it was not speed that saved it.
  expect(performance.now() - started).toBeGreaterThan(2_500);
  expect(received).toBeGreaterThan(BULK.data.length / 8);
});

it('says something from time to time while there is nothing to say, and nothing after the end', async () => {
  const { response, client } = await stage();
  let received = '';
  client.on('data', (chunk: Buffer) => (received += chunk.toString()));
  client.resume();
  const sse = openSse(response, {}, { keepAliveMs: 20 });
  const comments = () => received.split(': keep-alive\n\n').length - 1;
  await until('two comments', () => comments() >= 2);
  await sse.write([{ data: 'event' }]);
  sse.end();
  await once(client, 'end');
  expect(received).toMatch(/data: event\n\n\r\n0\r\n\r\n$/);
});

it('says nothing in between where events come often enough', async () => {
  const { response, client } = await stage();
  let received = '';
  client.on('data', (chunk: Buffer) => (received += chunk.toString()));
  client.resume();
  const sse = openSse(response, {}, { keepAliveMs: 2_000 });
  const began = performance.now();
  // For longer than that in all: it is the last event that counts.
  for (let n = 0; n < 20; n++) {
    await sse.write([{ data: String(n) }]);
    await delay(150);
  }
  expect(performance.now() - began).toBeGreaterThan(2_500);
  sse.end();
  await once(client, 'end');
  expect(received).toContain('data: 19');
  expect(received).not.toContain(': keep-alive\n\n');
});
