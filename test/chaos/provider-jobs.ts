/** Work in the background at the mock provider: begun once, done whoever is gone, and billed when it is done. */
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { bill, cutBody, refuse, untilLeft } from './provider-answer.ts';
import { answerOf, mannerOf, type Answer } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';
import { responseOf, sendJson, type JobStatus } from './provider-wire.ts';

interface Job {
  id: string;
  entry: ProviderRequest;
  said: Answer;
  status: JobStatus;
  words: number;
}

export interface Jobs {
  begin(entry: ProviderRequest, response: ServerResponse): Promise<void>;
  /** `GET /v1/responses/ID`, `POST /v1/responses/ID/cancel`. */
  ask(path: string, response: ServerResponse): void;
}

const MAX_JOBS = 20_000;

export function createJobs(seed: string): Jobs {
  const jobs = new Map<string, Job>();

  async function work(job: Job, ms: number): Promise<void> {
    job.status = 'in_progress';
    const { words } = job.said;
    while (job.words < words.length) {
      await delay(ms / words.length);
      if (isCancelled(job)) return;
      job.words += 1;
      bill(job.entry, job.said, job.words);
    }
    job.status = 'completed';
    finish(job, 'whole');
  }

  return {
    async begin(entry, response) {
      const manner = mannerOf(seed, entry.nonce, entry.nth);
      if (refuse(entry, manner, response)) {
        entry.endedAt = Date.now();
        return;
      }
      if (jobs.size >= MAX_JOBS) throw new Error('more jobs than anyone forgets');
      const id = `resp_${entry.nonce}.${String(entry.nth)}`;
      const job: Job = { id, entry, said: answerOf(entry.nonce, entry.nth), status: 'queued', words: 0 };
      jobs.set(id, job);
      bill(entry, job.said, 0);
      const body = responseOf(id, 'queued', job.said, 0);
      void work(job, 'delayMs' in manner ? manner.delayMs * 2 : 500);
      if (manner.kind === 'answer') sendJson(response, 200, body);
      else {
        // Its work goes on; the id of it gets lost.
        if (manner.kind === 'stall') await untilLeft(response);
        if (manner.kind === 'cut-within') await cutBody(response);
        response.destroy();
      }
    },
    ask(path, response) {
      const [, id = '', verb] = /^\/v1\/responses\/([^/]+)(\/cancel)?$/.exec(path) ?? [];
      const job = jobs.get(decodeURIComponent(id));
      if (!job) {
        sendJson(response, 404, { error: { message: 'no such response', type: 'invalid_request_error' } });
        return;
      }
      if (verb !== undefined && job.status !== 'completed' && job.status !== 'cancelled') {
        job.status = 'cancelled';
        finish(job, 'cut');
      }
      sendJson(response, 200, responseOf(job.id, job.status, job.said, job.words));
    },
  };
}

/** A call, not a field: it may have been cancelled during an await. */
function isCancelled({ status }: Job): boolean {
  return status === 'cancelled';
}

function finish({ entry, said, words }: Job, outcome: 'whole' | 'cut'): void {
  entry.sentText = said.words.slice(0, words).join(' ');
  entry.outcome = outcome;
  entry.endedAt = Date.now();
}
