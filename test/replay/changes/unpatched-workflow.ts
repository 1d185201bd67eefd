/** The change of `docs/changing-workflows.md` as it must not be made: calls that run now would not get through it. */
import { CancellationScope, proxyActivities } from '@temporalio/workflow';
import type { CallInput, CallResult } from '../../../src/core/call/types.ts';
import { llmCall as before } from '../../../src/workflows/llm-call.ts';

const { notifyOwner } = proxyActivities<{ notifyOwner(callId: string): Promise<void> }>({
  startToCloseTimeout: '10 seconds',
});

export async function llmCall(input: CallInput): Promise<CallResult> {
  const result = await before(input);
  await CancellationScope.nonCancellable(() => notifyOwner(result.callId));
  return result;
}
