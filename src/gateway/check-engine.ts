/** Whether the Temporal cluster is the one that this ledger belongs to, and keeps workflows for long enough. */
import type { NativeConnection } from '@temporalio/worker';
import { HoldfastError } from '../core/errors.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import { namespaceRetentionMs } from '../temporal/server/namespace-retention.ts';

const HOUR_MS = 3_600_000;

export interface EngineOptions {
  connection: Pick<NativeConnection, 'workflowService'>;
  namespace: string;
}

/**
 * To nodes at another cluster or namespace the calls of this one would look lost, and be settled or paid for twice.
 * @throws HoldfastError `engine_unavailable` at another cluster or namespace.
 */
export async function checkEngine(
  { connection, namespace }: EngineOptions,
  ledger: Pick<Ledger, 'claimEngine'>,
): Promise<void> {
  const { clusterId } = await connection.workflowService.getClusterInfo({});
  const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace });
  const engine = `${clusterId}/${namespaceInfo?.id ?? namespace}`;
  const known = await ledger.claimEngine(engine);
  if (known === engine) return;
  throw new HoldfastError(
    'engine_unavailable',
    `This ledger belongs to the Temporal cluster and namespace ${known}, and this node is connected to ${engine} ` +
      `(namespace ${namespace}). Set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE as the other nodes have them. To move the ` +
      'ledger for good, stop every node and run `holdfast ledger release-engine`.',
  );
}

/** @throws HoldfastError `engine_unavailable` where workflow ids are free again before idempotency keys expire. */
export async function checkRetention({ connection, namespace }: EngineOptions, idempotencyMs: number): Promise<void> {
  const retentionMs = await namespaceRetentionMs(connection, namespace);
  if (retentionMs >= idempotencyMs) return;
  throw new HoldfastError(
    'engine_unavailable',
    `Namespace ${namespace} keeps closed workflows for ${String(retentionMs / HOUR_MS)} h, and retention.idempotencyHours ` +
      `is ${String(idempotencyMs / HOUR_MS)}: a key repeated in between would be answered twice. Raise it: ` +
      `temporal operator namespace update --namespace ${namespace} --retention ${String(Math.ceil(idempotencyMs / HOUR_MS))}h, ` +
      'or lower retention.idempotencyHours.',
  );
}
