/** What a governed call is measured against: one workflow, one regular activity, nothing else. */
import { proxyActivities } from '@temporalio/workflow';

export interface BareActivities {
  callProvider(body: string): Promise<string>;
}

const { callProvider } = proxyActivities<BareActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumAttempts: 1 },
});

export async function bare(body: string): Promise<string> {
  return callProvider(body);
}
