/** How long anybody waits for an engine that does not answer. */
import type { ConnectionLike } from '@temporalio/client';
import { HoldfastError } from '../../core/errors.ts';

/** For one question to the engine, all its tries together. */
export const ENGINE_DEADLINE_MS = 2_000;

/**
 * Asks the engine. What comes later than the deadline is dropped, which for a start or a cancel means that it may have
 * reached the engine all the same.
 * @throws HoldfastError `engine_unavailable` after `ENGINE_DEADLINE_MS`; what `ask` throws before that.
 */
export async function withinDeadline<T>(
  connection: Pick<ConnectionLike, 'withDeadline'>,
  ask: () => Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const giveUp = () => {
    const message = `The durable engine did not answer within ${String(ENGINE_DEADLINE_MS / 1_000)} s.`;
    late.reject(new HoldfastError('engine_unavailable', message, { retryAfterMs: 1_000 }));
  };
  // After a stall of this process timers come before what has arrived meanwhile; that is to be read first.
  const timer = setTimeout(() => setImmediate(giveUp), ENGINE_DEADLINE_MS);
  try {
    // The connection's own deadline is that of one try: a refused connection is tried again for up to 10 s.
    return await Promise.race([connection.withDeadline(Date.now() + ENGINE_DEADLINE_MS, ask), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
