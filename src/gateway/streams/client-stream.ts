/** What has gone to one client of a stream, and from which attempt: the text that a client holds is one attempt's. */
import type { FastifyReply } from 'fastify';
import type { StoredAnswer } from '../../core/call/stored-answer.ts';
import type { SseEvent, Wire } from '../../core/chat.ts';
import type { ErrorRecord } from '../../core/errors.ts';
import type { BusMessage } from '../../core/ports/stream-bus.ts';
import type { CallRequest, DoorWire } from '../../core/ports/provider.ts';
import { createDoorStream, eventsOfAnswer, replayFrames, type DoorStream } from '../../providers/stream-bridge.ts';
import { errorBody, type ErrorShape } from '../http/error-reply.ts';
import { sendError } from '../http/send-error.ts';
import { openSse, type SseResponse } from './sse-response.ts';
import { formatStreamPosition, type StreamPosition } from './stream-position.ts';

export interface ClientStreamOptions {
  callId: string;
  requestId: string;
  /** The caller's own request: its wire and options shape the events. */
  request: CallRequest;
  door: DoorWire;
  shape: ErrorShape;
  reply: FastifyReply;
  /** Sends the header `Idempotent-Replayed`. */
  isReplay: boolean;
  /** The last event that the client got on an earlier connection. */
  resumeFrom: StreamPosition | null;
  /** The client asked for an `attempt-rollback` event instead of an error when an attempt is lost. */
  takesRollbacks: boolean;
}

export type ClientStream = ReturnType<typeof createClientStream>;
type Frame = Extract<BusMessage, { type: 'frame' }>;

export function createClientStream(options: ClientStreamOptions) {
  const { callId, door, request, reply, shape, requestId, resumeFrom } = options;
  let sse: SseResponse | null = null;
  let stream: DoorStream | null = null;
  /** The attempt whose events are being made. */
  let attempt = 0;
  /** The attempt whose text the client holds; 0 for none. */
  let heldByClient = resumeFrom?.attempt ?? 0;
  /** Events before the first content: held back, so that an attempt that fails there leaves no trace. */
  let held: SseEvent[] | null = null;
  let seq = 0;
  /** The client was told to drop what it held of the very attempt that answers. */
  let restarted = false;
  /** Frames of the attempt so far, without a gap. */
  let taken = 0;

  /** Gives each event its id, and leaves out those that the client had before it came back, or before `from`. */
  function numbered(events: readonly SseEvent[], from = 0): SseEvent[] {
    const out: SseEvent[] = [];
    for (const event of events) {
      const position = { callId, attempt, seq: seq++ };
      if (position.seq < from) continue;
      if (!restarted && resumeFrom?.attempt === attempt && position.seq <= resumeFrom.seq) continue;
      out.push({ ...event, id: formatStreamPosition(position) });
    }
    return out;
  }

  /** The last events of the answer: at least the end mark, for a client that has had it all. Null when it names none of them. */
  function lastOf(events: readonly SseEvent[], from = 0): SseEvent[] | null {
    const out = numbered(events, from);
    if (out.length > 0 || restarted || resumeFrom?.attempt !== attempt) return out;
    if (resumeFrom.seq >= seq) return null;
    return events.slice(-1).map((event) => ({ ...event, id: formatStreamPosition({ callId, attempt, seq: seq - 1 }) }));
  }

  function open(): SseResponse {
    if (sse) return sse;
    reply.hijack();
    sse = openSse(reply.raw, {
      'x-holdfast-call-id': callId,
      'x-request-id': requestId,
      'request-id': requestId,
      ...(options.isReplay && { 'idempotent-replayed': 'true' }),
    });
    return sse;
  }

  async function write(events: readonly SseEvent[]): Promise<void> {
    if (events.length === 0) return;
    heldByClient = attempt;
    await open().write(events);
  }

  async function fail(error: ErrorRecord): Promise<FastifyReply> {
    if (!sse) return sendError(reply, error, shape, requestId);
    const data = JSON.stringify(errorBody(error, shape, requestId));
    await sse.write([shape === 'anthropic' ? { event: 'error', data } : { data }]);
    sse.end();
    return reply;
  }

  /** Whether the client may be given text of this attempt; tells it to drop what it holds where it asked for that. */
  async function mayFollowWith(next: number): Promise<boolean> {
    if (heldByClient === 0 || heldByClient >= next) return true;
    if (!options.takesRollbacks) return false;
    const data = JSON.stringify({ type: 'attempt-rollback', call_id: callId, attempt: heldByClient, next });
    heldByClient = 0;
    await open().write([{ event: 'attempt-rollback', data }]);
    return true;
  }

  /** The answer was recovered as a whole: where the client stands in it is not known. */
  async function mayStartOver(answeredBy: number): Promise<boolean> {
    if (!options.takesRollbacks) return false;
    const data = JSON.stringify({ type: 'attempt-rollback', call_id: callId, attempt: answeredBy, next: answeredBy });
    heldByClient = 0;
    restarted = true;
    await open().write([{ event: 'attempt-rollback', data }]);
    return true;
  }

  return {
    get isOpen() {
      return sse?.isOpen ?? false;
    },
    /** A new attempt begins. False when the client holds another one's text: the stream has failed then. */
    async begin(number: number, wire: Wire): Promise<boolean> {
      if (!(await mayFollowWith(number))) {
        await fail(splicedError(heldByClient, number));
        return false;
      }
      attempt = number;
      stream = createDoorStream(wire, door, request);
      held = [];
      seq = 0;
      taken = 0;
      return true;
    },
    /** The client's events for a frame of the attempt that has begun; none of an attempt older than the client's. */
    take(frame: Frame): SseEvent[] {
      // What came from another node may lack something: the rest is taken from the answer then.
      if (!stream || attempt < heldByClient || frame.attempt !== attempt || frame.seq !== taken) return [];
      taken += 1;
      const events = numbered(stream.push(frame.raw, frame.events));
      if (held === null) return events;
      held.push(...events);
      if (!frame.events.some(({ type }) => type !== 'start' && type !== 'usage')) return [];
      const flushed = held;
      held = null;
      return flushed;
    },
    write,
    /** The client holds text of an attempt that the call, which has ended, never made. */
    isBeyond: (lastAttempt: number): boolean => resumeFrom !== null && resumeFrom.attempt > lastAttempt,
    /** Sends what is still missing of the answer, then the end mark. */
    async finish(stored: StoredAnswer, answeredBy: number): Promise<FastifyReply> {
      const streamed = stream !== null && seq > 0 && attempt === answeredBy;
      if (!(await mayFollowWith(answeredBy)) || heldByClient > answeredBy) {
        return fail(splicedError(heldByClient, answeredBy));
      }
      const isOfOnePiece = stored.isRecovered === true || (stored.frames === null && streamed && held === null);
      if (isOfOnePiece && heldByClient === answeredBy && !(await mayStartOver(answeredBy))) {
        return fail(recoveredError(answeredBy));
      }
      const isWhole = !restarted && taken === (stored.frames?.length ?? 0);
      let last: SseEvent[] | null;
      if (streamed && stream !== null && isWhole) {
        last = lastOf(stream.end());
        if (last && held) last = [...held, ...last];
      } else {
        // Nothing of this attempt was streamed here, or not all: it answered in one piece, ran before this client came, or
        // runs on a node that could not send everything in time.
        const sentBefore = streamed && held === null && !restarted ? seq : 0;
        attempt = answeredBy;
        seq = 0;
        const events = stored.frames === null ? inOnePiece(stored) : replayFrames(stored, door, request);
        last = lastOf(events, sentBefore);
      }
      if (!last) return fail(noSuchEvent());
      await open().write(last);
      open().end();
      return reply;
    },
    fail,
  };

  /** An answer that came in one piece, as a stream. */
  function inOnePiece(stored: StoredAnswer): SseEvent[] {
    const encoder = door.createStreamEncoder(request);
    return [...encoder.push(eventsOfAnswer(stored.answer)), ...encoder.end()];
  }
}

/** For a position that no event of an ended call has. */
export function noSuchEvent(): ErrorRecord {
  return {
    code: 'invalid_request',
    message:
      'The Last-Event-ID is beyond the end of the stream of this call; leave it out to get the stream from its start.',
    source: 'gateway',
    param: 'Last-Event-ID',
  };
}

function recoveredError(attempt: number): ErrorRecord {
  return {
    code: 'outcome_unknown',
    message:
      `The stream of attempt ${String(attempt)} was lost, and its whole answer was had from the provider once more. ` +
      'Ask for the stream again without Last-Event-ID, or with x-holdfast-stream: rollback to be told in the stream.',
    source: 'gateway',
  };
}

function splicedError(begun: number, next: number): ErrorRecord {
  return {
    code: 'outcome_unknown',
    message:
      `Attempt ${String(begun)} was lost in mid-stream; the call goes on with attempt ${String(next)}. ` +
      'Ask for the stream again without Last-Event-ID, or with x-holdfast-stream: rollback to be told in the stream.',
    source: 'gateway',
  };
}
