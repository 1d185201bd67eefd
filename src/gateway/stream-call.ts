/**
 * One call as a stream to one client. The text a client gets is the text of one attempt, and the end mark comes only
 * once the answer is recorded.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SseEvent, Wire } from '../core/chat.ts';
import type { StoredAnswer } from '../core/call/stored-answer.ts';
import { HoldfastError, type ErrorRecord } from '../core/errors.ts';
import type { BusMessage } from '../core/ports/stream-bus.ts';
import type { DoorWire } from '../core/ports/provider.ts';
import { createDoorStream, eventsOfAnswer, replayFrames, type DoorStream } from '../providers/stream-bridge.ts';
import type { CallService, StartedCall } from './call-service.ts';
import { errorBody, type ErrorShape } from './error-reply.ts';
import { lostError, sendError } from './routes/llm-route.ts';
import { openSse, type SseResponse } from './sse-response.ts';

export async function streamCall(
  calls: CallService,
  started: StartedCall,
  door: DoorWire,
  shape: ErrorShape,
  request: FastifyRequest,
  reply: FastifyReply,
  signal: AbortSignal,
): Promise<unknown> {
  const client = createClientStream(started, door, request, reply);
  try {
    return await relay(calls, started, client, shape, reply, signal);
  } catch (error) {
    // Once the stream has begun, no status can say it any more: the stream itself must.
    if (client.isOpen) await client.fail(HoldfastError.is(error) ? error.toRecord() : lostError(), shape);
    throw error;
  }
}

async function relay(
  calls: CallService,
  started: StartedCall,
  client: ClientStream,
  shape: ErrorShape,
  reply: FastifyReply,
  signal: AbortSignal,
): Promise<unknown> {
  let stored: StoredAnswer | null = null;
  for await (const batch of started.follow(signal)) {
    const out: SseEvent[] = [];
    for (const message of batch) {
      if (message.type === 'attempt-start') {
        await client.write(out.splice(0));
        if (client.isOpen) return client.fail(splicedError(client.attempt, message.attempt), shape);
        client.begin(message.attempt, message.wire);
      } else if (message.type === 'frame') out.push(...client.take(message));
      else if (message.type === 'answer') stored = message.stored;
      else if (message.type === 'call-end') {
        await client.write(out);
        if (message.call.outcome !== 'succeeded') return client.fail(message.call.error ?? lostError(), shape);
        stored ??= await calls.answerOf(message.call);
        return client.finish(stored, message.call.attempts.at(-1)?.n ?? 1, shape);
      }
    }
    await client.write(out);
  }
  return reply;
}

type ClientStream = ReturnType<typeof createClientStream>;
type Frame = Extract<BusMessage, { type: 'frame' }>;

/** What has gone to the client, and from which attempt. */
function createClientStream(started: StartedCall, door: DoorWire, request: FastifyRequest, reply: FastifyReply) {
  let sse: SseResponse | null = null;
  let stream: DoorStream | null = null;
  let attempt = 0;
  /** Events before the first content: held back, so that an attempt that fails there leaves no trace. */
  let held: SseEvent[] | null = null;
  let seq = 0;

  const numbered = (events: readonly SseEvent[]) =>
    events.map((event) => ({ ...event, id: `${started.callId}.${String(attempt)}.${String(seq++)}` }));

  function open(): SseResponse {
    if (sse) return sse;
    reply.hijack();
    sse = openSse(reply.raw, {
      'x-holdfast-call-id': started.callId,
      'x-request-id': request.id,
      'request-id': request.id,
      ...(!started.isNew && { 'idempotent-replayed': 'true' }),
    });
    return sse;
  }

  async function fail(error: ErrorRecord, shape: ErrorShape) {
    if (!sse) return sendError(reply, error, shape, request.id);
    const data = JSON.stringify(errorBody(error, shape, request.id));
    await sse.write([shape === 'anthropic' ? { event: 'error', data } : { data }]);
    sse.end();
    return reply;
  }

  return {
    get attempt() {
      return attempt;
    },
    get isOpen() {
      return sse?.isOpen ?? false;
    },
    begin(number: number, wire: Wire) {
      attempt = number;
      stream = createDoorStream(wire, door, started.request);
      held = [];
      seq = 0;
    },
    take(frame: Frame): SseEvent[] {
      if (!stream) return [];
      const events = numbered(stream.push(frame.raw, frame.events));
      if (held === null) return events;
      held.push(...events);
      if (!frame.events.some(({ type }) => type !== 'start' && type !== 'usage')) return [];
      const flushed = held;
      held = null;
      return flushed;
    },
    async write(events: readonly SseEvent[]) {
      if (events.length > 0) await open().write(events);
    },
    /** Sends what is still missing of the answer, then the end mark. */
    async finish(stored: StoredAnswer, answeredBy: number, shape: ErrorShape) {
      const streamed = stream !== null && seq > 0;
      // The client holds text of an attempt that was lost: never splice another one's to it.
      if (sse !== null && attempt !== answeredBy) return fail(splicedError(attempt, answeredBy), shape);
      const response = open();
      if (streamed && stream !== null && attempt === answeredBy) {
        await response.write([...(held ?? []), ...numbered(stream.end())]);
      } else {
        // Nothing of this attempt was streamed here: it answered in one piece, or ran before this client came.
        attempt = answeredBy;
        const isStream = stored.frames !== null;
        await response.write(
          numbered(isStream ? replayFrames(stored, door, started.request) : streamOf(stored, door, started)),
        );
      }
      response.end();
      return reply;
    },
    fail,
  };
}

function splicedError(begun: number, next: number): ErrorRecord {
  return {
    code: 'outcome_unknown',
    message: `Attempt ${String(begun)} was lost in mid-stream; the call goes on with attempt ${String(next)}. Ask for it again with the same Idempotency-Key.`,
    source: 'gateway',
  };
}

/** An answer that came in one piece, as a stream. */
function streamOf(stored: StoredAnswer, door: DoorWire, started: StartedCall): SseEvent[] {
  const encoder = door.createStreamEncoder(started.request);
  return [...encoder.push(eventsOfAnswer(stored.answer)), ...encoder.end()];
}
