/**
 * The stream of an answer that is made in the background: published as it comes, asked for again where it broke off. Its
 * events are the provider's to give again under their numbers, so a frame's place depends on them alone: another process
 * that reads the stream from its start publishes the same frames under the same places.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AttemptOutcome } from '../core/call/types.ts';
import type { SseEvent } from '../core/chat.ts';
import { HoldfastError } from '../core/errors.ts';
import type { KeptAnswer, KeptAnswers, KeptStreamDecoder } from '../core/ports/provider.ts';
import type { FollowResult } from '../providers/dispatch/dispatcher.ts';
import { tooLarge } from '../providers/dispatch/read-body.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import type { DispatchedAttempt } from './encode-order.ts';
import { createFrameLog, isContent } from './frame-log.ts';
import {
  askForAnswer,
  isGone,
  queryOf,
  recordGone,
  takeAnswer,
  withdrawKept,
  type KeptAttempt,
} from './kept-answer.ts';
import { createStopping } from './stopping.ts';

/** Before each connection that follows one which brought nothing; after the last the answer is asked for in one piece. */
const PAUSES_MS = [200, 500, 1_000, 2_000, 4_000];
/** Of one stream, however little each of them brings. */
const MOST_CONNECTIONS = 100;

export interface LiveAnswer {
  readonly decoder: KeptStreamDecoder;
  /** Every frame so far, from the first one of the answer on. */
  readonly frames: SseEvent[] | null;
  /** The first one with content; null before it. */
  readonly firstTokenAt: number | null;
  /** A client may have a part of the text. */
  readonly mayBeHeld: boolean;
  /** What came cannot be read, is more than an answer may be, or the provider says in it that it is broken. */
  readonly isBroken: boolean;
  /** False when nothing more is to be read. */
  take(raw: SseEvent): Promise<boolean>;
  settled(): Promise<void>;
}

/** @param onId told of the answer's id before anything is published; false stops the reading. Absent for an id that is known. */
export function createLiveAnswer(
  deps: AttemptDeps,
  { attempt: { order, lease }, kept }: { attempt: DispatchedAttempt; kept: KeptAnswers },
  onId?: (responseId: string) => Promise<boolean>,
): LiveAnswer {
  const decoder = kept.createStreamDecoder();
  const frames = createFrameLog(
    deps.bus,
    order.callId,
    lease.attempt,
    async () => deps.faults?.reach('mid-stream', order.callId),
    deps.onDefect,
  );
  const isTakenOver = onId === undefined;
  let isNamed = isTakenOver;
  let isBroken = false;
  let size = 0;
  let firstTokenAt: number | null = null;

  function read(raw: SseEvent) {
    try {
      // Over all connections; each of them has the same limit for itself.
      size += Buffer.byteLength(raw.data);
      if (size > deps.dispatcher.maxAnswerBytes) throw tooLarge(deps.dispatcher.maxAnswerBytes);
      return decoder.push(raw);
    } catch (error) {
      isBroken = true;
      throw error;
    }
  }

  return {
    decoder,
    async take(raw) {
      const events = read(raw);
      if (!isNamed && decoder.responseId !== null) {
        isNamed = true;
        if (onId && !(await onId(decoder.responseId))) return false;
      }
      // What says nothing has no place: a provider may send more or less of it the next time.
      if (events.length > 0) frames.add(raw, events);
      if (events.some(isContent)) firstTokenAt ??= deps.now();
      return decoder.said === null;
    },
    get frames() {
      return frames.log;
    },
    get firstTokenAt() {
      return firstTokenAt;
    },
    get mayBeHeld() {
      // Also of what nobody read as it came: who attaches later is given it. A process before this one may have given out
      // what the provider has not given us yet.
      return firstTokenAt !== null || (isTakenOver && decoder.said === null);
    },
    get isBroken() {
      return isBroken;
    },
    settled: () => frames.settled(),
  };
}

/** Takes up, from its start, the stream of an attempt whose process was lost. */
export async function followKept(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  deps.bus.publish(attempt.order.callId, {
    type: 'attempt-start',
    attempt: attempt.lease.attempt,
    provider: attempt.provider.name,
    model: attempt.order.candidate.model,
    wire: attempt.kept.wire,
  });
  const stopping = createStopping();
  stopping.listenTo(signal, deps.leaving);
  try {
    const live = createLiveAnswer(deps, { attempt, kept: attempt.kept });
    return await readToEnd(deps, attempt, live, null, { cancelled: signal, any: stopping.signal });
  } finally {
    stopping.forget();
  }
}

/**
 * Reads on until the provider has said how its answer ends. `pending` when its stream cannot be had: the answer is made all
 * the same.
 * @param last how the connection ended that was read so far; null for none.
 * @param stops what ends the reading: the call's cancel, or any reason.
 * @throws HoldfastError `engine_unavailable` when this process is to end: the engine has another worker take the stream up.
 */
export async function readToEnd(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  live: LiveAnswer,
  last: FollowResult<KeptAnswer> | null,
  stops: { cancelled: AbortSignal; any: AbortSignal },
): Promise<AttemptOutcome> {
  const { order, lease } = attempt;
  const { decoder } = live;
  const pending = { status: 'pending', attempt: lease.attempt } as const;
  let result = last;
  let heard: number | null = null;
  for (let fruitless = 0, connections = 0; ; connections++) {
    await live.settled();
    if (decoder.said !== null) return conclude(deps, attempt, live, decoder.said);
    if (stops.cancelled.aborted) return withdrawKept(deps, attempt, 'cancelled');
    if (stops.any.aborted) throw leftToAnother();
    if (result !== null) {
      if (live.isBroken) return askOnce(deps, attempt, live);
      if (result.status === 'answered') return takeAnswer(deps, attempt, result.value, live.mayBeHeld);
      if (deps.now() >= order.deadlineAt || (result.status === 'failed' && isGone(result.failure))) return pending;
      fruitless = decoder.cursor === heard ? fruitless : 0;
      const pause = PAUSES_MS[fruitless];
      if (pause === undefined || connections >= MOST_CONNECTIONS) return pending;
      fruitless += 1;
      heard = decoder.cursor;
      await wait(deps, pause, stops.any);
    }
    // Stopped in a pause, it sends nothing, and ends above.
    result = await deps.dispatcher.follow({
      query: attempt.kept.encodeFollow(queryOf(attempt), decoder.cursor),
      decode: (text) => attempt.kept.decode(text),
      decodeFailure: attempt.adapter.decodeFailure,
      timeouts: { ...order.timeouts, totalMs: order.deadlineAt - deps.now() },
      signal: stops.any,
      onEvent: (raw) => live.take(raw),
    });
  }
}

function leftToAnother(): HoldfastError {
  return new HoldfastError('engine_unavailable', 'This node ends; another one takes the stream up.');
}

/** With the frames where they make up the answer: a client then stands in it where it stood in the stream. */
function conclude(
  deps: AttemptDeps,
  attempt: KeptAttempt,
  live: LiveAnswer,
  said: KeptAnswer,
): Promise<AttemptOutcome> {
  const { decoder, frames } = live;
  const firstTokenAt = live.firstTokenAt ?? deps.now();
  const streamed = decoder.isFaithful && frames !== null ? { frames, firstTokenAt } : null;
  return takeAnswer(deps, attempt, said, live.mayBeHeld, streamed);
}

async function askOnce(deps: AttemptDeps, attempt: KeptAttempt, live: LiveAnswer): Promise<AttemptOutcome> {
  const outcome = await askForAnswer(deps, attempt, live.mayBeHeld);
  return outcome === 'gone' ? recordGone(deps, attempt.order, attempt) : outcome;
}

async function wait(deps: AttemptDeps, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await (deps.pause ?? pauseFor)(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function pauseFor(ms: number, signal: AbortSignal): Promise<unknown> {
  return delay(ms, undefined, { signal });
}
