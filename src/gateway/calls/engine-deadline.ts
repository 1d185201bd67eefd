/** How long anybody waits for an engine that does not answer. */
import { isGrpcCancelledError, isGrpcDeadlineError, type ConnectionLike } from '@temporalio/client';
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
  // After a stall of this process timers come before what has arrived meanwhile; that is to be read first.
  const timer = setTimeout(() => setImmediate(() => late.reject(notInTime())), ENGINE_DEADLINE_MS);
  try {
    // The connection's own deadline is that of one try: a refused connection is tried again for up to 10 s.
    return await Promise.race([connection.withDeadline(Date.now() + ENGINE_DEADLINE_MS, ask), late.promise]);
  } catch (error) {
    // The connection counts the same time, and may be the first to say that it is over, in either of its ways.
    throw isGrpcDeadlineError(error) || isGrpcCancelledError(error) ? notInTime() : error;
  } finally {
    clearTimeout(timer);
  }
}

function notInTime(): HoldfastError {
  const message = `The durable engine did not answer within ${String(ENGINE_DEADLINE_MS / 1_000)} s.`;
  return new HoldfastError('engine_unavailable', message, { retryAfterMs: 1_000 });
}
