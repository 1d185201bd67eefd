/** The change of `docs/changing-workflows.md`, second release: no call without the step runs any more. */
import { CancellationScope, deprecatePatch, proxyActivities } from '@temporalio/workflow';
import type { CallInput, CallResult } from '../../../src/core/call/types.ts';
import { llmCall as before } from '../../../src/workflows/llm-call.ts';

const { notifyOwner } = proxyActivities<{ notifyOwner(callId: string): Promise<void> }>({
  startToCloseTimeout: '10 seconds',
});

export async function llmCall(input: CallInput): Promise<CallResult> {
  const result = await before(input);
  deprecatePatch('notify-owner');
  await CancellationScope.nonCancellable(() => notifyOwner(result.callId));
  return result;
}
