/** The durable engine as the doors see it: start a call, cancel it, look whether it runs. */
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { CallInput } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import { TASK_QUEUE } from '../core/names.ts';
import { searchAttributeKeys } from '../temporal/search-attribute-keys.ts';

export interface CallEngine {
  /** Starts `llmCall` under the call's id; one that runs already is fine. @throws HoldfastError `engine_unavailable`. */
  start(input: CallInput): Promise<void>;
  cancel(callId: string): Promise<void>;
  /** `running`, `closed`, or `missing` where the engine never had it or forgot it. */
  stateOf(callId: string): Promise<'running' | 'closed' | 'missing'>;
}

/** How long a caller waits for an engine that does not answer. */
const START_DEADLINE_MS = 2_000;

export function createCallEngine(client: Client, options: { eager: boolean }): CallEngine {
  return {
    async start(input) {
      try {
        await client.withDeadline(Date.now() + START_DEADLINE_MS, () =>
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
        );
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return;
        throw new HoldfastError('engine_unavailable', `The durable engine cannot take calls now: ${reasonOf(error)}.`, {
          retryAfterMs: 1_000,
        });
      }
    },
    async cancel(callId) {
      try {
        await client.workflow.getHandle(callId).cancel();
      } catch (error) {
        // Closed in the meantime: there is nothing left to cancel.
        if (error instanceof WorkflowNotFoundError) return;
        throw new HoldfastError('engine_unavailable', `The cancel could not be delivered: ${reasonOf(error)}.`);
      }
    },
    async stateOf(callId) {
      try {
        const { status } = await client.workflow.getHandle(callId).describe();
        return status.name === 'RUNNING' || status.name === 'PAUSED' ? 'running' : 'closed';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'missing';
        throw error;
      }
    },
  };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message.slice(0, 200) : 'unknown';
}
