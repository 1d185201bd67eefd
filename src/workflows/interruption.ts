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
    // A step that was told to stop may still return how it stopped; the call stops all the same, unless there is an answer,
    // or one to come that has to be taken back first.
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
  return (
    typeof result === 'object' &&
    result !== null &&
    'status' in result &&
    (result.status === 'answered' || result.status === 'pending')
  );
}

function stepError(error: unknown): unknown {
  // A local activity fails as what it threw, a regular one with that as its cause.
  if (error instanceof ApplicationFailure) return catalogueError(error) ?? stepFailed('');
  if (!(error instanceof ActivityFailure)) return error;
  const { cause } = error;
  // No time for another try: the engine then reports either what ended the last one or the whole.
  const isOver = cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_CLOSE';
  if (isOver || error.retryState === 'TIMEOUT') return new CallInterruptedError('deadline');
  if (cause instanceof TimeoutFailure) {
    return new HoldfastError('outcome_unknown', 'The worker of the last attempt was lost, again and again.');
  }
  const known = cause instanceof ApplicationFailure ? catalogueError(cause) : null;
  return known ?? stepFailed(` ${error.activityType}`);
}

/** Null for a failure that is not in the error catalogue: a defect, whose text stays out of the call's error. */
function catalogueError(failure: ApplicationFailure): HoldfastError | null {
  if (!isErrorCode(failure.type)) return null;
  return HoldfastError.from({
    ...(failure.details?.[0] as ErrorRecord | undefined),
    code: failure.type,
    message: failure.message,
    source: sourceOf(failure),
  });
}

function stepFailed(name: string): HoldfastError {
  return new HoldfastError('engine_unavailable', `The step${name} failed; the log of its worker says why.`);
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
