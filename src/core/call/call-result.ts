import type { CallView } from '../ports/ledger/views.ts';
import type { CallResult } from './types.ts';

/** An ended call as the result of its workflow. */
export function callResult(call: CallView): CallResult {
  const last = call.attempts.at(-1);
  return {
    callId: call.id,
    outcome: call.outcome ?? 'failed',
    answerRef: call.answerRef,
    error: call.error,
    provider: last?.provider ?? null,
    model: last?.model ?? null,
    attempts: call.attempts.length,
    costNanoUsd: call.costNanoUsd,
    pricing: call.pricing,
  };
}
