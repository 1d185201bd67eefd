/** What a client is told when its call cannot be followed to its end, and what becomes of the call of one that waits no more. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../../../test/support/test-node.ts';
import { HoldfastError } from '../../../core/errors.ts';
import type { BusMessage } from '../../../core/ports/stream-bus.ts';
import type { OnDisconnect } from '../../../core/settings.ts';
import { attemptStart } from '../../../../test/support/bus-messages.ts';
import { openaiChatDoor } from '../../../providers/openai/door.ts';
import type { CallService } from '../../calls/call-service.ts';
import { createWaitingClients } from '../../calls/waiting-clients.ts';
import { createLlmHandler } from './llm-route.ts';

const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const frame: BusMessage = {
  type: 'frame',
  attempt: 1,
  seq: 0,
  raw: { data: JSON.stringify({ choices: [{ index: 0, delta: { content: 'A' } }] }) },
  events: [{ type: 'text-delta', choice: 0, text: 'A' }],
};

/** A door at which every client is given what `messages` says; gives its URL, and what it did with the call. */
async function stage(
  messages: (client: AbortSignal) => AsyncIterable<BusMessage[]>,
  { policy = 'auto', stream = true }: { policy?: OnDisconnect; stream?: boolean } = {},
) {
  const done: string[] = [];
  const does = (what: string) => (callId: string) => Promise.resolve(void done.push(`${what} ${callId}`));
  const calls = {
    start: () =>
      Promise.resolve({
        callId: 'call_1',
        request: openaiChatDoor.parseRequest({ ...body, stream }, {}),
        isNew: false,
        follow: messages,
      }),
    leave: does('leave'),
    abandon: does('abandon'),
  } as unknown as CallService;
  const app = fastify();
  onTestFinished(() => app.close());
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, parsed) => parsed(null, bytes));
  const handler = createLlmHandler(
    {
      calls,
      authenticator: {
        authenticate: () => Promise.resolve({ tenant: 'acme', key: null, models: null, roles: ['caller'] }),
      },
      onDisconnectOf: () => policy,
    },
    createWaitingClients(),
    { door: openaiChatDoor, kind: 'chat', shape: 'openai' },
  );
  app.post('/', handler);
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), done };
}

async function* withoutLedger(): AsyncGenerator<BusMessage[]> {
  yield await Promise.reject(new HoldfastError('engine_unavailable', 'the ledger is away'));
}

it.each([false, true])(
  'a call without a key is left to the repeat of the client that gets an error instead',
  async (stream) => {
    const { url, done } = await stage(withoutLedger, { stream });
    const ask = (headers: Record<string, string>) =>
      fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    expect((await ask({ 'idempotency-key': 'k' })).status).toBe(503);
    expect(done).toEqual([]);
    expect((await ask({})).status).toBe(503);
    expect(done).toEqual(['leave call_1']);
  },
);

async function* spliced(): AsyncGenerator<BusMessage[]> {
  yield await Promise.resolve([attemptStart(1), frame]);
  yield [attemptStart(2)];
}

it.each<[string, OnDisconnect, Record<string, string>, string[]]>([
  ['without a key', 'auto', {}, ['leave call_1']],
  ['without a key, where those who leave cancel', 'cancel', {}, ['leave call_1']],
  ['with a key, where those who leave cancel', 'cancel', { 'idempotency-key': 'k' }, []],
])('the call of a client that is told that it goes on does so: %s', async (_who, policy, headers, done) => {
  const stand = await stage(spliced, { policy });
  const response = await fetch(stand.url, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(await response.text()).toContain('the call goes on with attempt 2');
  expect(stand.done).toEqual(done);
});

it.each<[OnDisconnect, string]>([
  ['auto', 'abandon call_1'],
  ['continue', 'leave call_1'],
])('of a client that leaves without a key: %s', async (policy, done) => {
  const stand = await stage(
    async function* (client) {
      yield [attemptStart(1), frame];
      await once(client, 'abort');
    },
    { policy },
  );
  const request = httpRequest(stand.url, { method: 'POST' });
  request.end(JSON.stringify(body));
  await once(request, 'response');
  request.destroy();
  await until('the door has noticed', () => stand.done.length > 0);
  expect(stand.done).toEqual([done]);
});
