/** The clients of a round: they ask, leave, ask twice, and those with a key come back until they have an answer. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CallPlan, SubmissionPlan } from './plan.ts';
import type { Submission } from './submission.ts';
import { submit } from './submit.ts';

export interface CallerInput {
  /** A client begins with one of them, and goes on to the next when it has no answer. */
  urls: readonly string[];
  call: CallPlan;
  /** The virtual key of the call's tenant. */
  key: string;
  beganAt: number;
  /** Who has no answer by then gives up. */
  patienceMs: number;
}

/** Every request that the clients of this call made, in the order of each client. */
export async function runCallers(input: CallerInput): Promise<Submission[]> {
  const clients = await Promise.all(input.call.submissions.map((plan, index) => runClient(input, plan, index)));
  return clients.flat();
}

async function runClient(input: CallerInput, plan: SubmissionPlan, client: number): Promise<Submission[]> {
  const { urls, call, key, beganAt, patienceMs } = input;
  const { nonce, model, isStream, isKeyed } = call;
  const made: Submission[] = [];
  const deadline = beganAt + plan.atMs + patienceMs;
  let { leaveAfterMs } = plan;
  let resumeAfter: Submission | null = null;
  await delay(Math.max(0, beganAt + plan.atMs - Date.now()));
  for (let turn = client; ; turn++) {
    const url = urls[turn % urls.length] ?? '';
    const seen: Submission = await submit(url, {
      nonce,
      client,
      model,
      isStream,
      isKeyed,
      resumeAfter,
      leaveAfterMs,
      key,
    });
    made.push(seen);
    // A stream that cannot go on where it broke is there to be had from its start.
    const isRefusedToResume = resumeAfter !== null && seen.errorCode === 'outcome_unknown';
    // Without a key a second request would be a second call.
    if (!isKeyed || !(seen.mayAskAgain || isRefusedToResume) || Date.now() > deadline) return made;
    leaveAfterMs = null;
    const mayResume = plan.resumes && (seen.end === 'broken' || seen.end === 'nothing') && seen.lastEventId !== null;
    resumeAfter = mayResume ? seen : null;
    await delay(seen.retryAfterMs);
  }
}
