/** The change of `docs/changing-workflows.md`, first release: new calls take the new step, those that run do not. */
import { CancellationScope, patched, proxyActivities } from '@temporalio/workflow';
import type { CallInput, CallResult } from '../../../src/core/call/types.ts';
import { llmCall as before } from '../../../src/workflows/llm-call.ts';

const { notifyOwner } = proxyActivities<{ notifyOwner(callId: string): Promise<void> }>({
  startToCloseTimeout: '10 seconds',
});

export async function llmCall(input: CallInput): Promise<CallResult> {
  const result = await before(input);
  if (patched('notify-owner')) await CancellationScope.nonCancellable(() => notifyOwner(result.callId));
  return result;
}
