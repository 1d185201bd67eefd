import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../../test/support/test-node.ts';
import { drainsConnections, type DrainOptions } from './drain-connections.ts';

/** More than the sockets' own buffers take. */
const LARGE_BYTES = 12_000_000;

async function stage(options?: DrainOptions) {
  const app = fastify({ return503OnClosing: false });
  let handedOver = 0;
  app.addHook('onSend', (_request, _reply, _payload, done) => {
    handedOver += 1;
    done();
  });
  app.get('/small', () => 'small');
  app.post('/small', () => 'small');
  app.get('/large', () => 'x'.repeat(LARGE_BYTES));
  app.get('/later', async () => {
    await delay(1_000);
    return 'later';
  });
  const drain = drainsConnections(app, options);
  await app.listen({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => app.server.closeAllConnections());

  /** A client that reads nothing until it is told to. */
  async function client(text: string): Promise<Socket> {
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.pause();
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  }
  return { drain, client, answers: (count: number) => until('the answers are made', () => handedOver === count) };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;

/** All that a client is sent until its connection ends. */
async function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4);

it('sends an answer to its last byte, however late its reader begins', async () => {
  const { drain, client, answers } = await stage();
  const slow = await client(get('/large'));
  await answers(1);
  const drained = drain();
  await delay(1_000);
  expect(bodyOf(await readToEnd(slow))).toHaveLength(LARGE_BYTES);
  await drained;
});

it('a reader that takes nothing any more does not keep the node', async () => {
  const { drain, client, answers } = await stage({ stalledReaderMs: 500 });
  const stalled = await client(get('/large'));
  await answers(1);
  const began = performance.now();
  await drain();
  expect(performance.now() - began).toBeGreaterThan(490);
  const got = await readToEnd(stalled).catch((error: unknown) => String(error));
  expect(got.length).toBeLessThan(LARGE_BYTES);
});

it('an answer that is still to be made has the time that it takes, behind one that is read slowly, too', async () => {
  const { drain, client, answers } = await stage({ stalledReaderMs: 500 });
  const both = await client(get('/small') + get('/later'));
  await answers(1);
  const drained = drain();
  expect(await readToEnd(both)).toMatch(/small.*later$/s);
  await drained;
});

it('a connection on which everything was answered is closed at once', async () => {
  const { drain, client, answers } = await stage();
  const idle = await client(get('/small'));
  await answers(1);
  const began = performance.now();
  await Promise.all([drain(), readToEnd(idle)]);
  expect(performance.now() - began).toBeLessThan(2_000);
});

it('the second request of a connection may come to its end', async () => {
  const { drain, client, answers } = await stage();
  const second = await client(get('/small'));
  await answers(1);
  second.write(get('/small').slice(0, -4));
  await delay(100);
  const drained = drain();
  await delay(1_000);
  second.write('\r\n\r\n');
  expect(await readToEnd(second)).toMatch(/small.*small$/s);
  await drained;
});

it.each(['/small', '/nowhere'])(
  'the rest of a body that never comes is waited for some seconds: %s',
  async (path) => {
    const { drain, client, answers } = await stage();
    const half = await client(get('/small'));
    await answers(1);
    // What is asked of a path that does not exist is answered without its body.
    half.write(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n\r\n01234`,
    );
    await delay(100);
    const began = performance.now();
    await Promise.all([drain(), readToEnd(half)]);
    expect(performance.now() - began).toBeGreaterThan(4_500);
    expect(performance.now() - began).toBeLessThan(10_000);
  },
  30_000,
);
