/** Answers that the simulator keeps under an id: responses made in the background, and completions stored on request. */
import type { JsonObject } from '../core/json.ts';
import type { Behaviour } from './behaviour.ts';
import type { Composition } from './compose.ts';
import { openAiResponseStream, type NumberedEvent } from './openai-response-stream.ts';
import { openAiAnswer, openAiResponse } from './openai-wire.ts';

export interface KeptAnswers {
  /** Begins to work on a response; it is ready after the behaviour's delay, and its pace for each of its events. */
  begin(model: string, said: Composition, behaviour: Behaviour, isStreamed: boolean): Begun;
  /** Keeps a completion, whatever becomes of the connection that asked for it. */
  keep(model: string, said: Composition): void;
  /** The response or completion of a path such as `/v1/responses/resp_1`; null when there is none, or not any more. */
  find(path: string): JsonObject | null;
  /** Ends the work on the response of a path such as `/v1/responses/resp_1/cancel`. */
  cancel(path: string): JsonObject | null;
  /** What was begun as a stream, for its events to be asked for; null when there is none. */
  streamed(path: string): StreamedJob | null;
  /** Responses that have not ended. */
  readonly working: number;
  /** Has the responses go on that wait for it. */
  release(): void;
}

interface Begun {
  body: JsonObject;
  /** Null where it was not begun as a stream. */
  streamed: StreamedJob | null;
}

export interface StreamedJob {
  model: string;
  said: Composition;
  behaviour: Behaviour;
  /** The events after the one of this number, as they come about; ends when the work does, or when `left` aborts. */
  events(after: number, left: AbortSignal): AsyncIterable<NumberedEvent>;
}

interface Job {
  forgottenAt: number;
  isCancelled: boolean;
  /** When the event of this index comes about. */
  dueAt(index: number): number;
  lastIndex: number;
  release(): void;
  /** Told of each change that is not one of time. */
  waiting: Set<() => void>;
  body(state: 'in_progress' | 'done' | 'cancelled'): JsonObject;
  streamed: StreamedJob | null;
}

const MAX_KEPT = 10_000;
/** The events that say that it has begun. */
const BEGINNINGS = 2;

export function createKeptAnswers(now: () => number = Date.now): KeptAnswers {
  const jobs = new Map<string, Job>();
  let count = 0;

  function add(path: string, job: Job): void {
    const [oldest] = jobs.keys();
    if (jobs.size >= MAX_KEPT && oldest !== undefined) jobs.delete(oldest);
    jobs.set(path, job);
  }

  function known(path: string): Job | null {
    const job = jobs.get(path);
    return job && now() < job.forgottenAt ? job : null;
  }

  function isReady(job: Job): boolean {
    return now() >= job.dueAt(job.lastIndex);
  }

  function read(path: string): JsonObject | null {
    const job = known(path);
    return job && job.body(job.isCancelled ? 'cancelled' : isReady(job) ? 'done' : 'in_progress');
  }

  function wake(job: Job): void {
    for (const go of [...job.waiting]) go();
  }

  async function* eventsOf(job: Job, events: readonly NumberedEvent[], after: number, left: AbortSignal) {
    for (const [index, event] of events.entries()) {
      if (event.sequence_number <= after) continue;
      for (let rest = Infinity; (rest = job.dueAt(index) - now()) > 0;) {
        if (left.aborted || job.isCancelled) return;
        await change(job, rest, left);
      }
      if (left.aborted || job.isCancelled) return;
      yield event;
    }
  }

  return {
    begin(model, said, behaviour, isStreamed) {
      const { delay, pace, keeps, fails, holds } = behaviour;
      const id = `resp_${said.id}_${String((count += 1))}`;
      const end = fails > 0 ? 'failed' : 'completed';
      const started = now();
      const events = openAiResponseStream(id, model, said, end);
      const heldFrom = holds > 0 ? indexAfterDeltas(events, holds) : Infinity;
      let releasedAt = Infinity;
      const job: Job = {
        forgottenAt: keeps > 0 ? started + keeps : Infinity,
        isCancelled: false,
        dueAt(index) {
          if (index < BEGINNINGS) return started;
          if (index < heldFrom) return started + delay + pace * (index - BEGINNINGS);
          return releasedAt + pace * (index - heldFrom);
        },
        lastIndex: events.length - 1,
        release: () => (releasedAt = Math.min(releasedAt, now())),
        waiting: new Set(),
        body: (state) => openAiResponse(id, model, said, state === 'done' ? end : state),
        streamed: null,
      };
      if (isStreamed) {
        job.streamed = { model, said, behaviour, events: (after, left) => eventsOf(job, events, after, left) };
      }
      add(`/v1/responses/${id}`, job);
      return { body: openAiResponse(id, model, said, 'queued'), streamed: job.streamed };
    },
    keep(model, said) {
      add(`/v1/chat/completions/${said.id}`, {
        forgottenAt: Infinity,
        isCancelled: false,
        dueAt: () => 0,
        lastIndex: 0,
        release: () => undefined,
        waiting: new Set(),
        body: () => openAiAnswer(model, said),
        streamed: null,
      });
    },
    get working() {
      return [...jobs.values()].filter((job) => !job.isCancelled && !isReady(job)).length;
    },
    find: read,
    cancel(path) {
      const of = path.replace(/\/cancel$/, '');
      const job = known(of);
      if (job && !isReady(job)) {
        job.isCancelled = true;
        wake(job);
      }
      return read(of);
    },
    streamed: (path) => known(path)?.streamed ?? null,
    release() {
      for (const job of jobs.values()) {
        job.release();
        wake(job);
      }
    },
  };
}

/** The index of the event after so many deltas. */
function indexAfterDeltas(events: readonly NumberedEvent[], deltas: number): number {
  const places = events.flatMap(({ type }, index) => (type.endsWith('.delta') ? [index] : []));
  return (places[Math.min(deltas, places.length) - 1] ?? BEGINNINGS - 1) + 1;
}

/** After so many milliseconds, at a change of the job, or when its reader has left. */
function change(job: Job, ms: number, left: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      job.waiting.delete(go);
      left.removeEventListener('abort', go);
      resolve();
    };
    const timer = ms === Infinity ? undefined : setTimeout(go, ms);
    job.waiting.add(go);
    left.addEventListener('abort', go, { once: true });
  });
}
