/** The doors that SDKs knock at: one handler for every wire, in one piece or streamed. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallKind } from '../../../core/call/types.ts';
import type { StoredAnswer } from '../../../core/call/stored-answer.ts';
import { HoldfastError } from '../../../core/errors.ts';
import { formatUsd, parseNanoUsd } from '../../../core/money.ts';
import type { CallView } from '../../../core/ports/ledger/views.ts';
import type { DoorWire } from '../../../core/ports/provider.ts';
import type { OnDisconnect } from '../../../core/settings.ts';
import type { Authenticator } from '../../../governance/authenticate.ts';
import type { CallService, StartedCall } from '../../calls/call-service.ts';
import type { ErrorShape } from '../error-reply.ts';
import { readJsonBody } from '../read-json-body.ts';
import { readRequestOptions } from '../request-options.ts';
import { lostError, sendError } from '../send-error.ts';
import { streamCall } from '../../streams/stream-call.ts';
import { cancelsWhenLeft, type WaitingClients } from '../../calls/waiting-clients.ts';
import { watchClient } from '../watch-client.ts';

export interface LlmRouteDeps {
  calls: CallService;
  authenticator: Authenticator;
  /** What becomes of a call of this model whose clients leave. */
  onDisconnectOf(model: string): OnDisconnect;
}

export interface LlmRoute {
  door: DoorWire;
  kind: CallKind;
  shape: ErrorShape;
}

export function createLlmHandler(deps: LlmRouteDeps, clients: WaitingClients, { door, kind, shape }: LlmRoute) {
  return async function handle(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const arrivedAt = performance.now();
    const options = readRequestOptions(request.headers);
    const caller = await deps.authenticator.authenticate(options.key);
    const call = await deps.calls.start({
      caller,
      kind,
      door,
      body: readJsonBody(request.body as Uint8Array),
      headers: request.headers,
      idempotencyKey: options.idempotencyKey,
      tags: options.tags,
      mode: options.mode,
      takesRollbacks: options.takesRollbacks,
      isSdkRetry: options.isSdkRetry,
      resumes: options.resumeFrom?.callId ?? null,
    });
    void reply.header('x-holdfast-call-id', call.callId);
    if (!call.isNew) void reply.header('idempotent-replayed', 'true');
    const { model } = call.request.body;
    const policy = options.onDisconnect ?? deps.onDisconnectOf(typeof model === 'string' ? model : '');
    const isKeyed = options.idempotencyKey !== null;
    const leave = clients.enter(call.callId);
    const onGone = () => {
      const cancels = cancelsWhenLeft(policy, isKeyed);
      if (leave(cancels) === 'cancel') void deps.calls.abandon(call.callId);
      else if (!cancels && !isKeyed) void deps.calls.leave(call.callId);
    };
    // Told that the call goes on, it may ask for it again, whatever becomes of the calls of clients that leave.
    const onCut = () => {
      leave(false);
      if (!isKeyed) void deps.calls.leave(call.callId);
    };
    const client = watchClient(request, reply, onGone);
    try {
      if (call.request.stream) {
        return await streamCall({
          calls: deps.calls,
          messages: call.follow(client.signal),
          signal: client.signal,
          onCut,
          callId: call.callId,
          requestId: request.id,
          request: call.request,
          door,
          shape,
          reply,
          isReplay: !call.isNew,
          resumeFrom: options.resumeFrom,
          takesRollbacks: options.takesRollbacks,
        });
      }
      return await replyInOnePiece(deps.calls, call, door, shape, request, reply, client.signal, arrivedAt);
    } catch (error) {
      // Whoever is told of an error here, and not of the end of the call, comes again for the answer.
      if (!isKeyed && !client.signal.aborted) await deps.calls.leave(call.callId);
      throw error;
    } finally {
      client.stop();
      leave();
    }
  };
}

async function replyInOnePiece(
  calls: CallService,
  started: StartedCall,
  door: DoorWire,
  shape: ErrorShape,
  request: FastifyRequest,
  reply: FastifyReply,
  signal: AbortSignal,
  arrivedAt: number,
): Promise<unknown> {
  let stored: StoredAnswer | null = null;
  for await (const batch of started.follow(signal)) {
    for (const message of batch) {
      if (message.type === 'answer') stored = message.stored;
      if (message.type !== 'call-end') continue;
      const { call } = message;
      if (call.outcome !== 'succeeded') return sendError(reply, call.error ?? lostError(), shape, request.id);
      stored = await calls.give(call, stored, signal);
      void reply.headers(answerHeaders(call, stored, started, performance.now() - arrivedAt));
      if (shape === 'anthropic') void reply.header('request-id', request.id);
      return door.encodeAnswer(stored.answer, started.request);
    }
  }
  // Only a client that left ends the loop without a call-end; no one reads this reply.
  throw new HoldfastError('cancelled', 'The client closed the connection.');
}

function answerHeaders(
  call: CallView,
  stored: StoredAnswer,
  started: StartedCall,
  elapsedMs: number,
): Record<string, string> {
  const last = call.attempts.at(-1);
  const inProvider = call.attempts.reduce(
    (sum, { startedAt, endedAt }) => sum + (endedAt ? Date.parse(endedAt) - Date.parse(startedAt) : 0),
    0,
  );
  return {
    'x-holdfast-provider': last?.provider ?? '',
    'x-holdfast-model': headerText(last?.model ?? ''),
    'x-holdfast-attempts': String(call.attempts.length),
    'x-holdfast-cost-usd': call.pricing === 'unpriced' ? 'unpriced' : formatUsd(parseNanoUsd(call.costNanoUsd)),
    'x-holdfast-cache': 'off',
    ...(started.isNew && { 'x-holdfast-overhead-ms': String(Math.max(0, Math.round(elapsedMs - inProvider))) }),
    ...(stored.warnings.length > 0 && {
      'x-holdfast-warnings': headerText(JSON.stringify(stored.warnings)).slice(0, 4_000),
    }),
  };
}

/** Text as a header may carry it. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
