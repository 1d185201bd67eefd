/** `/api/v1/calls`: what a call did, its answer, its cancellation. A key sees its tenant's calls only. */
import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { HoldfastError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ports/ledger.ts';
import type { CallView } from '../../../core/ports/ledger/views.ts';
import type { DoorWire } from '../../../core/ports/provider.ts';
import type { Authenticator, Caller } from '../../../governance/authenticate.ts';
import { contentGone, type CallService } from '../../calls/call-service.ts';
import { presentedKey, readRequestOptions, readStreamOptions } from '../request-options.ts';
import { streamCall } from '../../streams/stream-call.ts';
import type { Left, WaitingClients } from '../../calls/waiting-clients.ts';
import { watchClient } from '../watch-client.ts';
import { callSchema } from './call-schema.ts';

export interface CallsRouteDeps {
  calls: CallService;
  ledger: Ledger;
  authenticator: Authenticator;
  doorWires: Readonly<Record<string, DoorWire>>;
  clients: WaitingClients;
}

const MAX_WAIT_SECONDS = 60;
/** The wires that a call may be started in, each with the kind of call it makes. */
const kindOfWire = { 'openai-chat': 'chat', 'anthropic-messages': 'chat', 'openai-embeddings': 'embedding' } as const;
const startBody = z.strictObject({
  kind: z.enum(['chat', 'embedding']),
  wire: z.enum(['openai-chat', 'anthropic-messages', 'openai-embeddings']).optional(),
  request: z.looseObject({ model: z.string() }).describe('the body as the endpoint of that wire takes it'),
});
const byId = z.object({ id: z.string().max(255) });

export const callsRoutes: FastifyPluginCallbackZod<CallsRouteDeps> = (app, deps, done) => {
  const callerOf = (request: FastifyRequest) => deps.authenticator.authenticate(presentedKey(request.headers));

  async function visibleCall(id: string, caller: Caller): Promise<CallView> {
    const call = await deps.ledger.getCall(id);
    // A call of another tenant looks like one that never was.
    if (!call || !maySee(caller, call)) throw new HoldfastError('not_found', 'There is no such call.');
    return call;
  }

  app.get(
    '/api/v1/calls',
    {
      schema: {
        summary: 'The newest calls',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(1000).default(20),
          after: z.string().max(500).optional(),
          state: z.enum(['accepted', 'admitted', 'running', 'ended']).optional(),
          tenant: z.string().max(64).optional().describe('for keys with the role admin; others see their own'),
        }),
        response: { 200: z.object({ calls: z.array(callSchema), next: z.string().nullable() }) },
      },
    },
    async (request) => {
      const caller = await callerOf(request);
      return deps.ledger.listCalls({ ...request.query, ...(!isAdmin(caller) && { tenant: caller.tenant }) });
    },
  );

  app.post(
    '/api/v1/calls',
    {
      schema: {
        summary: 'Starts a call and answers at once; the call goes on without its caller',
        body: startBody,
        response: { 202: z.object({ call: callSchema }) },
      },
    },
    async (request, reply) => {
      const { key, idempotencyKey, tags, mode, onDisconnect } = readRequestOptions(request.headers);
      if (onDisconnect === 'cancel') {
        throw new HoldfastError('invalid_request', 'A call that is started here goes on without its caller.', {
          param: 'x-holdfast-on-disconnect',
        });
      }
      const caller = await deps.authenticator.authenticate(key);
      // What is not followed need not be streamed.
      const { stream: _stream, stream_options: _options, ...body } = request.body.request;
      const started = await deps.calls.start({
        headers: request.headers,
        caller,
        ...chosenWire(request.body, deps.doorWires),
        body,
        // Whoever has the id comes back for it, whatever becomes of this process: it is no orphan.
        idempotencyKey: idempotencyKey ?? `detached-${randomUUID()}`,
        tags,
        mode,
      });
      // Nobody follows it here: its messages need not be kept.
      started.follow(AbortSignal.abort());
      void reply.header('x-holdfast-call-id', started.callId);
      if (!started.isNew) void reply.header('idempotent-replayed', 'true');
      return reply.code(202).send({ call: await visibleCall(started.callId, caller) });
    },
  );

  app.get(
    '/api/v1/calls/:id',
    { schema: { summary: 'One call with its attempts', params: byId, response: { 200: callSchema } } },
    async (request) => visibleCall(request.params.id, await callerOf(request)),
  );

  app.get(
    '/api/v1/calls/:id/result',
    {
      schema: {
        summary: "The answer of a call, in the caller's wire; waits for a call that runs",
        params: byId,
        querystring: z.object({ waitSeconds: z.coerce.number().min(0).max(MAX_WAIT_SECONDS).default(0) }),
        response: { 200: z.object({ call: callSchema, answer: z.unknown() }), 202: z.object({ call: callSchema }) },
      },
    },
    async (request, reply) => {
      let call = await visibleCall(request.params.id, await callerOf(request));
      if (call.state !== 'ended' && request.query.waitSeconds > 0) {
        call = await waitAtMost(deps, call, request.query.waitSeconds * 1000, request);
      }
      if (call.state !== 'ended') return reply.code(202).send({ call });
      if (call.outcome !== 'succeeded') {
        throw call.error
          ? HoldfastError.from(call.error)
          : new HoldfastError('engine_unavailable', 'The call has no outcome.');
      }
      const [stored, asked] = await Promise.all([deps.calls.answerOf(call), deps.calls.requestOf(call)]);
      const door = asked && deps.doorWires[asked.wire];
      return { call, answer: door ? door.encodeAnswer(stored.answer, asked) : stored.answer.body };
    },
  );

  app.get(
    '/api/v1/calls/:id/stream',
    {
      schema: {
        summary:
          "The stream of a call in its caller's wire, from its start or after Last-Event-ID; as it runs, or once more",
        params: byId,
        headers: z.object({
          'last-event-id': z.string().optional().describe('the id of the last event that was received'),
          'x-holdfast-stream': z.string().optional().describe('rollback: be told of a lost attempt in the stream'),
        }),
      },
    },
    async (request, reply) => {
      const options = readStreamOptions(request.headers);
      const call = await visibleCall(request.params.id, await callerOf(request));
      if (options.resumeFrom && options.resumeFrom.callId !== call.id) {
        throw new HoldfastError('invalid_request', 'The Last-Event-ID is of another call.', { param: 'Last-Event-ID' });
      }
      const asked = await deps.calls.requestOf(call);
      if (!asked) throw contentGone('request', call);
      const door = deps.doorWires[asked.wire];
      if (!door || call.kind !== 'chat') {
        throw new HoldfastError('invalid_request', `Calls of the kind ${call.kind} cannot be streamed.`);
      }
      // Its leaving ends no call, unless a client at a door left before and wanted that of the last one.
      const leave = deps.clients.enter(call.id);
      const onGone = () => afterLeaving(deps, call.id, leave());
      const client = watchClient(request, reply, onGone);
      try {
        return await streamCall({
          calls: deps.calls,
          messages: deps.calls.follow(call.id, client.signal),
          signal: client.signal,
          onCut: onGone,
          callId: call.id,
          requestId: request.id,
          request: { ...asked, stream: true },
          door,
          shape: asked.wire === 'anthropic-messages' ? 'anthropic' : 'openai',
          reply,
          isReplay: true,
          ...options,
        });
      } finally {
        client.stop();
        onGone();
      }
    },
  );

  app.post(
    '/api/v1/calls/:id/cancel',
    {
      schema: {
        summary: 'Cancels a call; one that has ended stays as it is',
        params: byId,
        response: { 202: callSchema },
      },
    },
    async (request, reply) => {
      const call = await visibleCall(request.params.id, await callerOf(request));
      await deps.calls.cancel(call.id);
      return reply.code(202).send((await deps.ledger.getCall(call.id)) ?? call);
    },
  );
  done();
};

async function waitAtMost(
  deps: CallsRouteDeps,
  call: CallView,
  ms: number,
  request: FastifyRequest,
): Promise<CallView> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  // Whoever asks so will ask again: the call goes on without the client that began it, until this one hangs up in its wait.
  const leave = deps.clients.enter(call.id);
  const onClose = () => {
    controller.abort();
    afterLeaving(deps, call.id, leave());
  };
  request.raw.socket.once('close', onClose);
  try {
    return await deps.calls.waitForEnd(call.id, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    return (await deps.ledger.getCall(call.id)) ?? call;
  } finally {
    clearTimeout(timer);
    request.raw.socket.removeListener('close', onClose);
    afterLeaving(deps, call.id, leave(false));
  }
}

function afterLeaving({ calls }: CallsRouteDeps, callId: string, left: Left): void {
  if (left === 'cancel') void calls.abandon(callId);
  // The client that began it left before: its repeat may have it.
  if (left === 'release') void calls.leave(callId);
}

function chosenWire({ kind, wire: named }: z.output<typeof startBody>, doors: CallsRouteDeps['doorWires']) {
  const wire = named ?? (kind === 'chat' ? 'openai-chat' : 'openai-embeddings');
  const door = doors[wire];
  if (!door || kindOfWire[wire] !== kind) {
    throw new HoldfastError('invalid_request', `The wire ${wire} does not make calls of the kind ${kind}.`, {
      param: 'wire',
    });
  }
  return { kind, door };
}

function isAdmin(caller: Caller): boolean {
  return caller.roles.includes('admin');
}

function maySee(caller: Caller, call: CallView): boolean {
  return isAdmin(caller) || caller.tenant === call.tenant;
}
