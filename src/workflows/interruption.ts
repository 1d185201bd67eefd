/** Temporal's failures as the errors that a call understands. */
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  TimeoutFailure,
} from '@temporalio/workflow';
import { CallInterruptedError } from '../core/call/ports.ts';
import { HoldfastError, isErrorCode, type ErrorRecord } from '../core/errors.ts';

/** Runs one step; cancellation becomes `CallInterruptedError`, a step's failure `HoldfastError`, defects pass through. */
export async function interruptible<T>(step: () => Promise<T>): Promise<T> {
  try {
    const result = await step();
    // A step that was told to stop may still return how it stopped; the call stops all the same, unless it answered.
    if (CancellationScope.current().consideredCancelled && !isAnswer(result))
      throw new CallInterruptedError('cancelled');
    return result;
  } catch (error) {
    if (error instanceof CallInterruptedError) throw error;
    if (isCancellation(error)) throw new CallInterruptedError('cancelled');
    throw stepError(error);
  }
}

/** Runs the last step out of reach of cancellation. */
export function settled<T>(step: () => Promise<T>): Promise<T> {
  return CancellationScope.nonCancellable(step);
}

function isAnswer(result: unknown): boolean {
  return typeof result === 'object' && result !== null && 'status' in result && result.status === 'answered';
}

function stepError(error: unknown): unknown {
  if (!(error instanceof ActivityFailure)) return error;
  const { cause } = error;
  if (cause instanceof ApplicationFailure && isErrorCode(cause.type)) {
    return HoldfastError.from({
      ...(cause.details?.[0] as ErrorRecord | undefined),
      code: cause.type,
      message: cause.message,
      source: sourceOf(cause),
    });
  }
  if (cause instanceof TimeoutFailure) {
    // No time for another try: the engine then reports either what ended the last one or the whole.
    const isOver = cause.timeoutType === 'SCHEDULE_TO_CLOSE' || error.retryState === 'TIMEOUT';
    if (isOver) return new CallInterruptedError('deadline');
    return new HoldfastError('outcome_unknown', 'The worker of the last attempt was lost, again and again.');
  }
  return new HoldfastError(
    'engine_unavailable',
    `The step ${error.activityType} failed; the log of its worker says why.`,
  );
}

function sourceOf(cause: ApplicationFailure): ErrorRecord['source'] {
  const record = cause.details?.[0] as ErrorRecord | undefined;
  return record?.source ?? 'gateway';
}

/**
 * The same for the step that pays: when it failed, bytes may have left, and a caller who is told to try again would pay
 * again without knowing.
 */
export async function interruptiblePaying<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await interruptible(step);
  } catch (error) {
    if (!HoldfastError.is(error) || error.code !== 'engine_unavailable') throw error;
    throw new HoldfastError('outcome_unknown', error.message);
  }
}
