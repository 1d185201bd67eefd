import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { HoldfastError } from '../../core/errors.ts';
import { EMBEDDED_RETENTION_MS, ensureRetention } from './namespace-retention.ts';
import { registerSearchAttributes } from '../search-attributes.ts';

export interface ReadinessOptions {
  address: string;
  namespace: string;
  /** How long the server may take altogether. */
  withinMs: number;
  /** Throws as soon as waiting on has no sense, because the server died. */
  assertAlive: () => void;
}

const POLL_MS = 50;
const CALL_MS = 5_000;

/**
 * Resolves when the embedded server answers, its namespace exists with the retention we need, and our search
 * attributes are registered. All of it is repeated on every start: a database made by an older release may lack some.
 */
export async function waitUntilReady({ address, namespace, withinMs, assertAlive }: ReadinessOptions): Promise<void> {
  const deadline = Date.now() + withinMs;
  // grpc-js waits 1 s before its second connect by default, longer than the server takes to come up.
  const channelArgs = { 'grpc.initial_reconnect_backoff_ms': POLL_MS, 'grpc.max_reconnect_backoff_ms': 4 * POLL_MS };
  const connection = Connection.lazy({ address, channelArgs, interceptors: [] });
  try {
    for (;;) {
      try {
        await connection.withDeadline(Math.min(Date.now() + CALL_MS, deadline), () => prepare(connection, namespace));
        return;
      } catch (error) {
        if (HoldfastError.is(error)) throw error;
        assertAlive();
        if (Date.now() >= deadline) throw notReady(address, withinMs, error);
      }
      await delay(POLL_MS);
    }
  } finally {
    await connection.close();
  }
}

async function prepare(connection: Connection, namespace: string): Promise<void> {
  await connection.workflowService.getSystemInfo({});
  await ensureRetention(connection, namespace, EMBEDDED_RETENTION_MS);
  await registerSearchAttributes(connection, namespace);
}

function notReady(address: string, withinMs: number, cause: unknown): HoldfastError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const error = new HoldfastError(
    'engine_unavailable',
    `The Temporal server at ${address} was not ready within ${withinMs / 1000} s (${reason}).`,
  );
  error.cause = cause;
  return error;
}
