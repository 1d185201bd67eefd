/** Work in the background at the mock provider: begun once, done whoever is gone, streamed to who asks, billed as it is done. */
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { bill, cutBody, isGone, refuse, untilLeft } from './provider-answer.ts';
import { answerOf, isStreamedAgain, mannerOf, type Answer, type Manner } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';
import { responseEvent, responseOf, sendJson, type JobStatus } from './provider-wire.ts';

interface Job {
  id: string;
  entry: ProviderRequest;
  said: Answer;
  status: JobStatus;
  words: number;
  /** Told of each word, and of the end. */
  waiting: Set<() => void>;
}

export interface Jobs {
  begin(entry: ProviderRequest, response: ServerResponse): Promise<void>;
  /** `GET /v1/responses/ID`, with `?stream=true&starting_after=N` its events, `POST /v1/responses/ID/cancel`. */
  ask(path: string, response: ServerResponse): Promise<void>;
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
      job.entry.sentText = textOf(job);
      bill(job.entry, job.said, job.words);
      wake(job);
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
      const job: Job = {
        id,
        entry,
        said: answerOf(entry.nonce, entry.nth),
        status: 'queued',
        words: 0,
        waiting: new Set(),
      };
      jobs.set(id, job);
      bill(entry, job.said, 0);
      const body = responseOf(id, 'queued', job.said, 0);
      void work(job, 'delayMs' in manner ? manner.delayMs * 2 : 500);
      if (entry.isStream && manner.kind !== 'cut-before') await sendEvents(job, -1, response, manner);
      else if (manner.kind === 'answer') sendJson(response, 200, body);
      else {
        // Its work goes on; the id of it gets lost.
        if (manner.kind === 'stall') await untilLeft(response);
        if (manner.kind === 'cut-within') await cutBody(response);
        response.destroy();
      }
    },
    async ask(url, response) {
      const { pathname, searchParams } = new URL(url, 'http://mock');
      const [, id = '', verb] = /^\/v1\/responses\/([^/]+)(\/cancel)?$/.exec(pathname) ?? [];
      const job = jobs.get(decodeURIComponent(id));
      if (!job) {
        sendJson(response, 404, { error: { message: 'no such response', type: 'invalid_request_error' } });
        return;
      }
      if (searchParams.get('stream') === 'true') {
        const error = { message: 'this response can no longer be streamed', type: 'invalid_request_error' };
        if (job.entry.isStream && isStreamedAgain(job.entry.nonce)) {
          await sendEvents(job, Number(searchParams.get('starting_after') ?? -1), response, null);
        } else sendJson(response, 400, { error });
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

/** The events after one of them, as they come about. A stream whose work is cancelled ends without an end. */
async function sendEvents(job: Job, after: number, response: ServerResponse, manner: Manner | null): Promise<void> {
  const send = (text: string) => new Promise<void>((sent) => response.write(text, () => sent()));
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const last = job.said.words.length;
  // Event 0 is the beginning, event N the Nth word, and the one after the last word the end.
  for (let place = after + 1; place <= last + 1; place++) {
    while (!isThere(job, place) && !isCancelled(job) && !isGone(response)) await change(job, response);
    if (isGone(response)) return;
    if (isCancelled(job)) break;
    await send(responseEvent(job.id, job.said, place));
    const isDisturbed = manner !== null && 'words' in manner && place >= manner.words;
    if (isDisturbed && manner.kind === 'stall') await untilLeft(response);
    if (isDisturbed) {
      response.destroy();
      return;
    }
  }
  response.end();
}

function isThere({ words, status, said }: Job, place: number): boolean {
  return place > said.words.length ? status === 'completed' : words >= place;
}

/** At the next word or the end of the work, or when the reader leaves. */
function change({ waiting }: Job, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      waiting.delete(go);
      response.removeListener('close', go);
      resolve();
    };
    waiting.add(go);
    response.once('close', go);
  });
}

function wake({ waiting }: Job): void {
  for (const go of [...waiting]) go();
}

function textOf({ said, words }: Job): string {
  return said.words.slice(0, words).join(' ');
}

/** A call, not a field: it may have been cancelled during an await. */
function isCancelled({ status }: Job): boolean {
  return status === 'cancelled';
}

function finish(job: Job, outcome: 'whole' | 'cut'): void {
  const { entry } = job;
  entry.sentText = textOf(job);
  entry.outcome = outcome;
  entry.endedAt = Date.now();
  wake(job);
}
