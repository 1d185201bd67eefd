/** What a client is told when its call cannot be followed to its end, and what becomes of the call. */
import fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { HoldfastError } from '../../core/errors.ts';
import type { BusMessage } from '../../core/ports/stream-bus.ts';
import { openaiChatDoor } from '../../providers/openai/door.ts';
import type { CallService } from '../call-service.ts';
import { createWaitingClients } from '../waiting-clients.ts';
import { createLlmHandler, type LlmRouteDeps } from './llm-route.ts';

const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

/** A door whose ledger is away when the end of the call is looked for. Gives the calls that were left to a repeat. */
async function leftAfterAsking(headers: Record<string, string>, stream: boolean): Promise<string[]> {
  const left: string[] = [];
  const calls = {
    start: () =>
      Promise.resolve({
        callId: 'call_1',
        request: openaiChatDoor.parseRequest({ ...body, stream }, {}),
        isNew: false,
        // eslint-disable-next-line @typescript-eslint/require-await -- it says nothing before it fails
        follow: async function* (): AsyncGenerator<BusMessage[]> {
          throw new HoldfastError('engine_unavailable', 'the ledger is away');
        },
      }),
    leave: (callId: string) => Promise.resolve(void left.push(callId)),
  } as unknown as CallService;
  const deps: LlmRouteDeps = {
    calls,
    authenticator: { authenticate: () => Promise.resolve({ tenant: 't', key: null, models: null, roles: [] }) },
    onDisconnectOf: () => 'auto',
    onError: (error) => expect.unreachable(String(error)),
  };
  const app = fastify();
  onTestFinished(() => app.close());
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, parsed) => parsed(null, bytes));
  const route = { door: openaiChatDoor, kind: 'chat', shape: 'openai' } as const;
  app.post('/', createLlmHandler(deps, createWaitingClients(), route));
  const reply = await app.inject({ method: 'POST', url: '/', headers, payload: JSON.stringify(body) });
  expect(reply.statusCode).toBe(503);
  return left;
}

it.each([false, true])(
  'a call without a key is left to the repeat of the client that gets an error instead',
  async (stream) => {
    expect(await leftAfterAsking({}, stream)).toEqual(['call_1']);
    expect(await leftAfterAsking({ 'idempotency-key': 'k' }, stream)).toEqual([]);
  },
);
