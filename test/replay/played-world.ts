/** A worker whose activities are played, for what cannot be brought about on a whole node within reason. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import type { CallSteps, MaintenanceActivities, ProviderActivities, SweepReport } from '../../src/activities/types.ts';
import type { AttemptOutcome, CallInput, Candidate, RoutePlan } from '../../src/core/call/types.ts';
import type { ErrorRecord } from '../../src/core/errors.ts';
import { newCallId } from '../../src/ledger/call-id.ts';
import { workflowBundle } from '../../src/workers/bundle.ts';
import { succeededResult } from '../support/succeeded-result.ts';
import type { TestNode } from '../support/test-node.ts';

const AWAY = { code: 'engine_unavailable', message: 'played', source: 'gateway' } satisfies ErrorRecord;

/** How one order to a provider goes. `order` counts from 1, `tries` of the same order too. */
export type Attempts = (order: number, tries: number) => Promise<AttemptOutcome>;

export interface PlayedWorld {
  taskQueue: string;
  /** A call with a plan of one candidate and three tries. `options` change the candidate. */
  call(attempts: Attempts, totalMs: number, options?: Partial<Candidate>): CallInput;
  stop(): Promise<void>;
}

export const answered = (attempt: number): AttemptOutcome => ({
  status: 'answered',
  attempt,
  result: succeededResult('p_answer'),
});

/** A worker that is lost: the engine hears nothing more of it. Ends when the worker itself stops. */
export const lost = (): Promise<never> => Context.current().cancelled;

/** A worker that is alive, and whose attempt never comes to an end. */
export async function hanging(): Promise<never> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 2_000);
  try {
    return await context.cancelled;
  } finally {
    clearInterval(beat);
  }
}

/** `sweep` plays the nth sweep, from 1. */
export async function startPlayedWorld(
  { connection, server }: TestNode,
  sweep: (count: number) => Promise<SweepReport>,
): Promise<PlayedWorld> {
  const scripts = new Map<string, Attempts>();
  let sweeps = 0;
  const activities: CallSteps & ProviderActivities & MaintenanceActivities = {
    // A played call is admitted by its door, or not at all.
    admit: () => Promise.reject(ApplicationFailure.nonRetryable('played', 'engine_unavailable', AWAY)),
    selectCredential: () => Promise.resolve({ credential: null }),
    stopAttempt: () => Promise.resolve(),
    // What is still at work when its workers are gone has its answer when it is asked for.
    collectAnswer: ({ order }) => Promise.resolve(answered(order)),
    withdrawAttempt: () => Promise.reject(new TypeError('a played attempt is never pending')),
    executeProvider({ callId, order }) {
      const script = scripts.get(callId);
      if (!script) throw new TypeError(`no script for ${callId}`);
      return script(order, Context.current().info.attempt);
    },
    settle: (settlement) =>
      Promise.resolve({ ...succeededResult('p_answer'), ...settlement, provider: 'sim', model: 'played' }),
    sweep: () => sweep(++sweeps),
  };
  const taskQueue = `played-${newCallId()}`;
  const worker = await Worker.create({
    connection,
    namespace: server.namespace,
    taskQueue,
    workflowBundle: await workflowBundle(),
    activities,
    shutdownGraceTime: '1 second',
  });
  const running = worker.run();
  return {
    taskQueue,
    call(attempts, totalMs, options) {
      const input = playedCall(totalMs, options);
      scripts.set(input.callId, attempts);
      return input;
    },
    async stop() {
      worker.shutdown();
      await running;
    },
  };
}

/** A call as a door starts it. */
export function playedCall(totalMs: number, options?: Partial<Candidate>): CallInput {
  const principal = { tenant: 'default', key: 'app', models: null };
  const admission = { allowed: true, plan: planOf(totalMs, options) } as const;
  return {
    callId: newCallId(),
    kind: 'chat',
    model: 'played',
    principal,
    requestRef: 'p_request',
    tags: {},
    admission,
  };
}

function planOf(totalMs: number, options: Partial<Candidate> = {}): RoutePlan {
  return {
    decisionId: 'dec_played',
    requestRef: 'p_request',
    candidates: [{ provider: 'sim', model: 'played', worstCaseNanoUsd: '1000', ...options }],
    first: { credential: null },
    retries: { maxAttempts: 3, initialBackoffMs: 10, maxBackoffMs: 100, maxRetryAfterMs: 1_000 },
    timeouts: { connectMs: 1_000, firstTokenMs: 1_000, idleMs: 1_000, totalMs },
    onUnknown: 'recover',
  };
}
