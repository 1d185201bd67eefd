/** A wrong `llmCall`: it calls the provider before the admission. The replay test must notice. */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { CallSteps, ProviderActivities } from '../../../src/activities/types.ts';
import type { AttemptOrder, CallInput } from '../../../src/core/call/types.ts';

export async function llmCall(input: CallInput): Promise<void> {
  const { executeProvider } = proxyActivities<ProviderActivities>({ startToCloseTimeout: '1 minute' });
  const { admit } = proxyLocalActivities<CallSteps>({ startToCloseTimeout: '1 minute' });
  await executeProvider({ callId: input.callId } as AttemptOrder);
  await admit(input);
}
