/** Questions whose answer is a stream, over real sockets. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HoldfastError } from '../../core/errors.ts';
import type { SseEvent } from '../../core/chat.ts';
import type { CallTimeouts } from '../../core/call/types.ts';
import { simulated } from '../openai/adapter.ts';
import { createDispatcher, type Dispatcher, type FollowInput } from './dispatcher.ts';

let server: Server;
let handler: RequestListener;
let dispatcher: Dispatcher;
beforeEach(async () => {
  server = createServer((request, response) => handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  dispatcher = createDispatcher({ maxAnswerBytes: 2_000 });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await dispatcher.close();
});

const TIMEOUTS: CallTimeouts = { connectMs: 2_000, firstTokenMs: 10_000, idleMs: 10_000, totalMs: 60_000 };
const SSE = { 'content-type': 'text/event-stream' };
const EVENTS = 'data: one\n\ndata: two\n\ndata: three\n\n';

async function follow({
  timeouts,
  ...more
}: Partial<Omit<FollowInput<string>, 'timeouts'>> & { timeouts?: object } = {}) {
  const events: SseEvent[] = [];
  const result = await dispatcher.follow<string>({
    query: { method: 'GET', url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/x`, headers: {} },
    decode: (text) => text,
    decodeFailure: simulated.decodeFailure,
    timeouts: { ...TIMEOUTS, ...timeouts },
    signal: new AbortController().signal,
    onEvent: (raw) => Promise.resolve(events.push(raw) > 0),
    ...more,
  });
  return { result, events: events.map(({ data }) => data) };
}

it('gives each event in turn and says that they ended; whether they were all is not its to say', async () => {
  handler = (_request, response) => void response.writeHead(200, SSE).end(EVENTS);
  expect(await follow()).toEqual({ result: { status: 'streamed' }, events: ['one', 'two', 'three'] });
});

it('gives the next event only when the one before is done with', async () => {
  handler = (_request, response) => void response.writeHead(200, SSE).end(EVENTS);
  const order: string[] = [];
  const onEvent = async ({ data }: SseEvent) => {
    order.push(`${data} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    order.push(`${data} ends`);
    return data !== 'two';
  };
  expect((await follow({ onEvent })).result).toEqual({ status: 'streamed' });
  expect(order).toEqual(['one begins', 'one ends', 'two begins', 'two ends']);
});

it('closes the connection when it has had enough', async () => {
  const closed = Promise.withResolvers<void>();
  handler = (_request, response) => {
    response.once('close', () => closed.resolve());
    response.writeHead(200, SSE).write(EVENTS);
  };
  await follow({ onEvent: () => Promise.resolve(false) });
  await closed.promise;
});

it('reads an answer in one piece as that', async () => {
  handler = (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('"x"');
  expect(await follow()).toEqual({ result: { status: 'answered', value: '"x"' }, events: [] });
});

it.each([
  ['refused', 400, { code: 'provider_rejected', status: 400 }, false],
  ['busy', 503, { code: 'provider_unavailable', status: 503 }, false],
])('says that it is %s', async (_how, status, failure, unknown) => {
  handler = (_request, response) => void response.writeHead(status, SSE).end('{"error":{"message":"no"}}');
  expect((await follow()).result).toMatchObject({ status: 'failed', failure, unknown, late: false });
});

it('says of a connection that breaks, is silent, or brings too much that it failed, with the events before', async () => {
  handler = (_request, response) => {
    response.writeHead(200, SSE).write('data: one\n\n', () => response.destroy());
  };
  expect(await follow()).toMatchObject({ result: { status: 'failed', unknown: true }, events: ['one'] });
  handler = (_request, response) => void response.writeHead(200, SSE).write('data: one\n\n');
  expect(await follow({ timeouts: { idleMs: 60 } })).toMatchObject({
    result: { status: 'failed', failure: { code: 'provider_timeout' }, late: false },
    events: ['one'],
  });
  expect(await follow({ timeouts: { totalMs: 60 } })).toMatchObject({ result: { status: 'failed', late: true } });
  handler = (_request, response) => void response.writeHead(200, SSE).end(EVENTS.repeat(80));
  expect((await follow()).result).toMatchObject({ status: 'failed', failure: { code: 'provider_unavailable' } });
});

it('ends at once when it is stopped', async () => {
  handler = (_request, response) => void response.writeHead(200, SSE).write('data: one\n\n');
  const stopping = new AbortController();
  const onEvent = () => {
    stopping.abort();
    return Promise.resolve(true);
  };
  expect((await follow({ signal: stopping.signal, onEvent })).result).toMatchObject({
    status: 'failed',
    failure: { message: 'The request was stopped.' },
  });
});

it('passes on what its reader throws: a ledger that is away is no failure of the provider', async () => {
  handler = (_request, response) => void response.writeHead(200, SSE).end(EVENTS);
  const away = new HoldfastError('engine_unavailable', 'the ledger is away');
  await expect(follow({ onEvent: () => Promise.reject(away) })).rejects.toBe(away);
});
