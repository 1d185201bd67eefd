import { ActivityFailure, ApplicationFailure, RetryState, TimeoutFailure, type TimeoutType } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { interruptible, interruptiblePaying } from './interruption.ts';

/** A step whose last try ended with no report. */
const silent = (type: TimeoutType, retryState: RetryState) =>
  interruptiblePaying(() =>
    Promise.reject(
      new ActivityFailure('failed', 'executeProvider', '1', retryState, 'worker', new TimeoutFailure('', null, type)),
    ),
  );

describe('a local step that fails', () => {
  it('ends the call with its own error, which the engine gives bare', async () => {
    const blocked = ApplicationFailure.nonRetryable('a secret stands in it', 'content_blocked');
    await expect(interruptible(() => Promise.reject(blocked))).rejects.toMatchObject({ code: 'content_blocked' });
  });

  it('ends it without its text when it is a defect', async () => {
    const defect = ApplicationFailure.nonRetryable('CANARY', 'TypeError');
    const ended = interruptible(() => Promise.reject(defect));
    await expect(ended).rejects.toMatchObject({ code: 'engine_unavailable' });
    await expect(ended).rejects.not.toThrow('CANARY');
  });
});

describe('an attempt that no worker brought to its end', () => {
  it('is a passed deadline when the time for all its tries is over', async () => {
    const expected = { name: 'CallInterruptedError', reason: 'deadline' };
    await expect(silent('SCHEDULE_TO_CLOSE', RetryState.NON_RETRYABLE_FAILURE)).rejects.toMatchObject(expected);
    // The server names what ended the last try when no time is left for another.
    await expect(silent('HEARTBEAT', RetryState.TIMEOUT)).rejects.toMatchObject(expected);
    const unavailable = ApplicationFailure.retryable('the ledger is away', 'engine_unavailable');
    const last = new ActivityFailure('failed', 'executeProvider', '1', RetryState.TIMEOUT, 'worker', unavailable);
    await expect(interruptiblePaying(() => Promise.reject(last))).rejects.toMatchObject(expected);
  });

  it('is an unknown outcome when its tries are used up before', async () => {
    await expect(silent('HEARTBEAT', RetryState.MAXIMUM_ATTEMPTS_REACHED)).rejects.toMatchObject({
      code: 'outcome_unknown',
    });
  });
});
