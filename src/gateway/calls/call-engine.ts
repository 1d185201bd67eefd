/** The durable engine as the doors see it: start a call, cancel it, look whether it runs. */
import {
  ActivityNotFoundError,
  AsyncCompletionClient,
  isGrpcServiceError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure, type DataConverter } from '@temporalio/common';
import type { CallInput } from '../../core/call/types.ts';
import { HoldfastError } from '../../core/errors.ts';
import { TASK_QUEUE } from '../../core/names.ts';
import { ENGINE_DEADLINE_MS, withinDeadline } from './engine-deadline.ts';
import { createStartGate } from './start-gate.ts';
import { searchAttributeKeys } from '../../temporal/search-attribute-keys.ts';

export interface CallEngine {
  /** Starts `llmCall` under the call's id. False where the engine has, or had, one of that id. @throws HoldfastError `engine_unavailable`. */
  start(input: CallInput): Promise<boolean>;
  /** False where no workflow of that id runs. @throws HoldfastError `engine_unavailable`. */
  cancel(callId: string): Promise<boolean>;
  /**
   * Takes a call from lost workers: its tasks go to any worker, and its attempt, if another than `identity` has it, is
   * reported as lost, so that it runs again at once. True when one had.
   */
  handOn(callId: string, identity: string): Promise<boolean>;
  /** `running`, `closed`, or `missing` where the engine never had it or forgot it. @throws HoldfastError `engine_unavailable`. */
  stateOf(callId: string): Promise<'running' | 'closed' | 'missing'>;
}

/** Status codes of gRPC: DEADLINE_EXCEEDED and UNAVAILABLE. */
const NO_ANSWER: ReadonlySet<number> = new Set([4, 14]);
/** `PENDING_ACTIVITY_STATE_STARTED` of Temporal's API. */
const STARTED = 2;

/** How long a start may wait for its turn. In a fleet another node may be less busy, and doors that died are looked for sooner. */
const LONGEST_TURN_MS = { alone: 20_000, fleet: 10_000 };

/** The longest that a live door needs to start a call it accepted: its turn, and the start. */
export const LONGEST_START_MS = {
  alone: LONGEST_TURN_MS.alone + ENGINE_DEADLINE_MS,
  fleet: LONGEST_TURN_MS.fleet + ENGINE_DEADLINE_MS,
};

export function createCallEngine(
  client: Client,
  options: { eager: boolean; isAlone: boolean; dataConverter?: DataConverter },
): CallEngine {
  const attempts = new AsyncCompletionClient({
    connection: client.connection,
    namespace: client.options.namespace,
    ...(options.dataConverter && { dataConverter: options.dataConverter }),
  });
  const gate = createStartGate({ maxWaitMs: LONGEST_TURN_MS[options.isAlone ? 'alone' : 'fleet'], meansAway });
  const ask = <T>(question: () => Promise<T>) => withinDeadline(client, question);
  async function takeFromLost(callId: string, identity: string): Promise<boolean> {
    const { raw, status } = await client.workflow.getHandle(callId).describe();
    if (status.name !== 'RUNNING') return false;
    const lost = (raw.pendingActivities ?? []).filter(
      ({ state, lastWorkerIdentity }) => Number(state) === STARTED && lastWorkerIdentity !== identity,
    );
    // Its next workflow task would wait 10 s for the worker that had it in its cache.
    const { namespace } = client.options;
    await client.workflowService.resetStickyTaskQueue({ namespace, execution: { workflowId: callId } });
    for (const { activityId } of lost) {
      if (!activityId) continue;
      const failure = ApplicationFailure.retryable('The process of this attempt is gone.', 'WorkerLost');
      await attempts.fail({ workflowId: callId, activityId }, failure);
    }
    return lost.length > 0;
  }

  return {
    async start(input) {
      try {
        // The deadline of a start begins with its turn, not with its wait for it.
        await gate.pass(() =>
          ask(() =>
            client.workflow.start('llmCall', {
              workflowId: input.callId,
              taskQueue: TASK_QUEUE,
              args: [input],
              requestEagerStart: options.eager,
              workflowIdReusePolicy: 'REJECT_DUPLICATE',
              typedSearchAttributes: [
                { key: searchAttributeKeys.tenant, value: input.principal.tenant },
                { key: searchAttributeKeys.model, value: input.model },
                { key: searchAttributeKeys.kind, value: input.kind },
              ],
              staticSummary: `${input.kind} ${input.model} (${input.principal.tenant})`,
            }),
          ),
        );
        return true;
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
        throw unavailable('The durable engine cannot take calls now', error);
      }
    },
    async cancel(callId) {
      try {
        await ask(() => client.workflow.getHandle(callId).cancel());
        return true;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw unavailable('The cancel could not be delivered', error);
      }
    },
    async handOn(callId, identity) {
      try {
        return await takeFromLost(callId, identity);
      } catch (error) {
        // It was never started, or has closed meanwhile: there is nothing to hand on.
        if (error instanceof WorkflowNotFoundError || error instanceof ActivityNotFoundError) return false;
        throw error;
      }
    },
    async stateOf(callId) {
      try {
        const { status } = await ask(() => client.workflow.getHandle(callId).describe());
        return status.name === 'RUNNING' || status.name === 'PAUSED' ? 'running' : 'closed';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'missing';
        throw unavailable('The durable engine cannot be asked for a call now', error);
      }
    },
  };
}

/** Whether no other start can do better now; a start that the engine refused says nothing of the others. */
export function meansAway(error: unknown): boolean {
  // No answer in time; what the engine itself said comes as it said it.
  if (HoldfastError.is(error)) return error.code === 'engine_unavailable';
  const cause = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(cause) && NO_ANSWER.has(cause.code);
}

function unavailable(what: string, error: unknown): HoldfastError {
  if (HoldfastError.is(error)) return error;
  return new HoldfastError('engine_unavailable', `${what}: ${reasonOf(error)}.`, { retryAfterMs: 1_000 });
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message.slice(0, 200) : 'unknown';
}
