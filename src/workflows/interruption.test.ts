import { ActivityFailure, RetryState, TimeoutFailure, type TimeoutType } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { interruptiblePaying } from './interruption.ts';

/** A step whose last try ended with no report. */
const silent = (type: TimeoutType, retryState: RetryState) =>
  interruptiblePaying(() =>
    Promise.reject(
      new ActivityFailure('failed', 'executeProvider', '1', retryState, 'worker', new TimeoutFailure('', null, type)),
    ),
  );

describe('an attempt that no worker brought to its end', () => {
  it('is a passed deadline when the time for all its tries is over', async () => {
    const expected = { name: 'CallInterruptedError', reason: 'deadline' };
    await expect(silent('SCHEDULE_TO_CLOSE', RetryState.NON_RETRYABLE_FAILURE)).rejects.toMatchObject(expected);
    // The server names what ended the last try when no time is left for another.
    await expect(silent('HEARTBEAT', RetryState.TIMEOUT)).rejects.toMatchObject(expected);
  });

  it('is an unknown outcome when its tries are used up before', async () => {
    await expect(silent('HEARTBEAT', RetryState.MAXIMUM_ATTEMPTS_REACHED)).rejects.toMatchObject({
      code: 'outcome_unknown',
    });
  });
});
