import type { CallResult } from '../../src/core/call/types.ts';

/** The end of a call as an activity of the test's own reports it. */
export function succeededResult(answerRef: string): CallResult {
  return {
    callId: 'call',
    outcome: 'succeeded',
    answerRef,
    error: null,
    provider: 'sim',
    model: 'm',
    attempts: 1,
    costNanoUsd: '0',
    pricing: 'priced',
  };
}
