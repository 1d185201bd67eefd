/** Ends of workflows that need lost workers, hundreds of sweeps, or an operator: recorded only, in minutes. */
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Candidate } from '../../src/core/call/types.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { newCallId } from '../../src/ledger/call-id.ts';
import { until, type TestNode } from '../support/test-node.ts';
import { answered, hanging, lost, startPlayedWorld, type Attempts, type PlayedWorld } from './played-world.ts';

export interface PlayedScenario {
  /** Also the file name in the corpus. */
  name: string;
  /** Resolves with the run to be recorded, once it is as it should be. */
  run(test: TestNode): Promise<{ workflowId: string; runId: string }>;
}

const MINUTES = 60_000;
const REPORT = { started: 0, settled: 0, reconciled: 0, abandoned: 0, pruned: 0 };
const AGAIN_AND_AGAIN_WITHIN_MS = 4 * MINUTES;

export const playedScenarios: readonly PlayedScenario[] = [
  // The engine gives the attempt to another worker, which finds the answer in the ledger.
  played('lost-worker-then-answered', 10 * MINUTES, (_order, tries) =>
    tries === 1 ? lost() : Promise.resolve(answered(1)),
  ),
  // One second for the call, and then all the time that an attempt has to report.
  played('hanging-worker-until-deadline', 1_000, hanging),
  // Ten workers, each given up after ten seconds.
  played('lost-workers-to-the-last', 10 * MINUTES, lost),
  played('paying-step-failed', 10 * MINUTES, failingStep),
  played('background-outlasts-workers', 10 * MINUTES, failingStep, { background: true }),
  {
    name: 'admission-failed',
    run: (test) =>
      inWorld(test, ok, (world) => {
        const { admission: _admission, ...input } = world.call(lost, MINUTES);
        return runTo('COMPLETED', test, world, input.callId, input);
      }),
  },
  {
    name: 'input-refused',
    run: (test) => inWorld(test, ok, (world) => runTo('FAILED', test, world, newCallId(), 'no call')),
  },
  played('context-too-long', 10 * MINUTES, failing('context_too_long')),
  sweeping('sweeps-continued-as-new', 1, ok, async (handle) => {
    await until('its first run ends', async () => (await statusOf(handle)) === 'CONTINUED_AS_NEW', MINUTES);
  }),
  sweeping(
    'sweep-failed-then-cancelled',
    600_000,
    (count) => (count === 1 ? Promise.reject(ApplicationFailure.nonRetryable('played', 'Defect')) : ok()),
    async (handle) => {
      await until('it waits', async () => (await handle.describe()).historyLength >= 11);
      await handle.cancel();
      await until('it is cancelled', async () => (await statusOf(handle)) === 'CANCELLED');
    },
  ),
  sweeping('sweeping', 5_000, ok, (handle) =>
    until('it waits for its second sweep', async () => (await handle.describe()).historyLength >= 11),
  ),
];

function ok() {
  return Promise.resolve(REPORT);
}

function failingStep(): Promise<never> {
  return Promise.reject(ApplicationFailure.nonRetryable('played', 'engine_unavailable'));
}

function failing(code: ErrorCode): Attempts {
  return (attempt) =>
    Promise.resolve({
      status: 'failed',
      attempt,
      error: { code, message: 'played', source: 'provider' },
      retryable: false,
      failOver: true,
      delivered: false,
    });
}

async function inWorld<T>(
  test: TestNode,
  sweep: Parameters<typeof startPlayedWorld>[1],
  work: (world: PlayedWorld) => Promise<T>,
): Promise<T> {
  const world = await startPlayedWorld(test, sweep);
  try {
    return await work(world);
  } finally {
    await world.stop();
  }
}

function played(name: string, totalMs: number, attempts: Attempts, options?: Partial<Candidate>): PlayedScenario {
  return {
    name,
    run: (test) =>
      inWorld(test, ok, (world) => {
        const input = world.call(attempts, totalMs, options);
        return runTo('COMPLETED', test, world, input.callId, input);
      }),
  };
}

async function runTo(
  status: 'COMPLETED' | 'FAILED',
  { client }: TestNode,
  { taskQueue }: PlayedWorld,
  workflowId: string,
  input: unknown,
): Promise<{ workflowId: string; runId: string }> {
  const handle = await client.workflow.start('llmCall', { workflowId, taskQueue, args: [input] });
  await until('the call ends', async () => (await statusOf(handle)) === status, AGAIN_AND_AGAIN_WITHIN_MS);
  return { workflowId, runId: handle.firstExecutionRunId };
}

function sweeping(
  name: string,
  everyMs: number,
  sweep: Parameters<typeof startPlayedWorld>[1],
  reach: (handle: WorkflowHandle) => Promise<void>,
): PlayedScenario {
  return {
    name,
    run: (test) =>
      inWorld(test, sweep, async (world) => {
        const workflowId = `sweep-${newCallId()}`;
        const { firstExecutionRunId: runId } = await test.client.workflow.start('reconcileAttempts', {
          workflowId,
          taskQueue: world.taskQueue,
          args: [everyMs],
        });
        await reach(test.client.workflow.getHandle(workflowId, runId));
        return { workflowId, runId };
      }),
  };
}

async function statusOf(handle: WorkflowHandle): Promise<string> {
  return (await handle.describe()).status.name;
}
