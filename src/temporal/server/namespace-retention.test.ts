import type { ConnectionLike } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { describe, expect, it, vi } from 'vitest';
import { EMBEDDED_RETENTION_MS, ensureRetention } from './namespace-retention.ts';

const HOUR_MS = 60 * 60 * 1000;

function server(retentionMs: number) {
  const config = { workflowExecutionRetentionTtl: msToTs(retentionMs) };
  const describeNamespace = vi.fn(() => Promise.resolve({ config }));
  const updateNamespace = vi.fn((_: unknown) => Promise.resolve({}));
  const connection = { workflowService: { describeNamespace, updateNamespace } };
  return { connection: connection as unknown as Pick<ConnectionLike, 'workflowService'>, updateNamespace };
}

describe('the retention of the namespace', () => {
  it('is raised from a day to a week', async () => {
    const { connection, updateNamespace } = server(24 * HOUR_MS);
    await ensureRetention(connection, 'default', EMBEDDED_RETENTION_MS);
    expect(updateNamespace).toHaveBeenCalledExactlyOnceWith({
      namespace: 'default',
      config: { workflowExecutionRetentionTtl: msToTs(7 * 24 * HOUR_MS) },
    });
  });

  it.each([EMBEDDED_RETENTION_MS, 2 * EMBEDDED_RETENTION_MS])('stays when it is %d ms', async (retentionMs) => {
    const { connection, updateNamespace } = server(retentionMs);
    await ensureRetention(connection, 'default', EMBEDDED_RETENTION_MS);
    expect(updateNamespace).not.toHaveBeenCalled();
  });
});
