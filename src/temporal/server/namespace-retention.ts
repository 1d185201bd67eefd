import type { ConnectionLike } from '@temporalio/client';
import { msToTs, optionalTsToMs } from '@temporalio/common/lib/time.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * How long the embedded server keeps closed workflows. Must not be shorter than the retention of idempotency keys:
 * after it a workflow id is free again, and a repeated key would start a second call.
 */
export const EMBEDDED_RETENTION_MS = 7 * DAY_MS;

/** Raises the retention of a namespace to at least `retentionMs`; a longer one stays. The server's default is a day. */
export async function ensureRetention(
  { workflowService }: Pick<ConnectionLike, 'workflowService'>,
  namespace: string,
  retentionMs: number,
): Promise<void> {
  if ((await namespaceRetentionMs({ workflowService }, namespace)) >= retentionMs) return;
  await workflowService.updateNamespace({
    namespace,
    config: { workflowExecutionRetentionTtl: msToTs(retentionMs) },
  });
}

export async function namespaceRetentionMs(
  { workflowService }: Pick<ConnectionLike, 'workflowService'>,
  namespace: string,
): Promise<number> {
  const { config } = await workflowService.describeNamespace({ namespace });
  return optionalTsToMs(config?.workflowExecutionRetentionTtl) ?? 0;
}
