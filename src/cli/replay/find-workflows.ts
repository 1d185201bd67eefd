/** Workflows by a visibility query, and their histories one at a time. */
import { isGrpcServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { HoldfastError } from '../../core/errors.ts';

export interface FoundWorkflow {
  workflowId: string;
  runId: string;
  type: string;
}

/** gRPC INVALID_ARGUMENT. */
const INVALID_ARGUMENT = 3;

/**
 * At most `limit`, in the order of the server: the latest first. `isCut` says that there are more.
 * @throws HoldfastError `invalid_request` for a query that the server does not take, `engine_unavailable` otherwise.
 */
export async function findWorkflows(
  client: Client,
  query: string,
  limit: number,
): Promise<{ found: FoundWorkflow[]; isCut: boolean }> {
  const found: FoundWorkflow[] = [];
  try {
    for await (const { workflowId, runId, type } of client.workflow.list({
      query,
      pageSize: Math.min(limit + 1, 200),
    })) {
      if (found.length === limit) return { found, isCut: true };
      found.push({ workflowId, runId, type });
    }
  } catch (error) {
    throw typed(error, `The query "${query}"`);
  }
  return { found, isCut: false };
}

/** The history as JSON. @throws HoldfastError `not_found` when it was deleted in the meantime, else `engine_unavailable`. */
export async function fetchHistory(client: Client, { workflowId, runId }: FoundWorkflow): Promise<string> {
  try {
    return historyToJSON(await client.workflow.getHandle(workflowId, runId).fetchHistory());
  } catch (error) {
    throw typed(error, 'The history');
  }
}

function typed(error: unknown, what: string): unknown {
  if (error instanceof WorkflowNotFoundError) return new HoldfastError('not_found', `${what} is gone.`);
  const cause = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  if (!isGrpcServiceError(cause)) return error;
  const reason = cause.details || cause.message;
  const code: number = cause.code;
  if (code === INVALID_ARGUMENT) {
    return new HoldfastError('invalid_request', `${what} was refused by Temporal: ${reason}.`, { param: 'query' });
  }
  return new HoldfastError('engine_unavailable', `${what} could not be read from Temporal: ${reason}.`);
}
