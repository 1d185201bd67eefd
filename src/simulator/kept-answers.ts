/** Answers that the simulator keeps under an id: responses made in the background, and completions stored on request. */
import type { JsonObject } from '../core/json.ts';
import type { Behaviour } from './behaviour.ts';
import type { Composition } from './compose.ts';
import { openAiAnswer, openAiResponse } from './openai-wire.ts';

export interface KeptAnswers {
  /** Begins to work on a response; it is ready after the behaviour's delay. */
  begin(model: string, said: Composition, behaviour: Behaviour): JsonObject;
  /** Keeps a completion, whatever becomes of the connection that asked for it. */
  keep(model: string, said: Composition): void;
  /** The response or completion of a path such as `/v1/responses/resp_1`; null when there is none, or not any more. */
  find(path: string): JsonObject | null;
  /** Ends the work on the response of a path such as `/v1/responses/resp_1/cancel`. */
  cancel(path: string): JsonObject | null;
}

interface Job {
  readyAt: number;
  forgottenAt: number;
  isCancelled: boolean;
  body(state: 'in_progress' | 'done' | 'cancelled'): JsonObject;
}

const MAX_KEPT = 10_000;

export function createKeptAnswers(now: () => number = Date.now): KeptAnswers {
  const jobs = new Map<string, Job>();
  let count = 0;

  function add(path: string, job: Job): void {
    const [oldest] = jobs.keys();
    if (jobs.size >= MAX_KEPT && oldest !== undefined) jobs.delete(oldest);
    jobs.set(path, job);
  }

  function read(path: string): JsonObject | null {
    const job = jobs.get(path);
    if (!job || now() >= job.forgottenAt) return null;
    return job.body(job.isCancelled ? 'cancelled' : now() < job.readyAt ? 'in_progress' : 'done');
  }

  return {
    begin(model, said, { delay, keeps, fails }) {
      const id = `resp_${said.id}_${String((count += 1))}`;
      const path = `/v1/responses/${id}`;
      const end = fails > 0 ? 'failed' : 'completed';
      const started = now();
      add(path, {
        readyAt: started + delay,
        forgottenAt: keeps > 0 ? started + keeps : Infinity,
        isCancelled: false,
        body: (state) => openAiResponse(id, model, said, state === 'done' ? end : state),
      });
      return openAiResponse(id, model, said, 'queued');
    },
    keep(model, said) {
      add(`/v1/chat/completions/${said.id}`, {
        readyAt: 0,
        forgottenAt: Infinity,
        isCancelled: false,
        body: () => openAiAnswer(model, said),
      });
    },
    find: read,
    cancel(path) {
      const of = path.replace(/\/cancel$/, '');
      const job = jobs.get(of);
      if (job && now() < job.readyAt) job.isCancelled = true;
      return read(of);
    },
  };
}
