/** `reconcileAttempts`: the maintenance sweep, for ever. One runs in a namespace; it continues as new to stay small. */
import { ActivityFailure, continueAsNew, isCancellation, log, proxyActivities, sleep } from '@temporalio/workflow';
import type { MaintenanceActivities } from '../activities/types.ts';

const SWEEPS_PER_RUN = 200;

const { sweep } = proxyActivities<MaintenanceActivities>({
  startToCloseTimeout: '2 minutes',
  // Of a worker that died the sweep goes on elsewhere after this.
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 5 },
});

export async function reconcileAttempts(everyMs: number): Promise<void> {
  for (let sweeps = 0; sweeps < SWEEPS_PER_RUN; sweeps++) {
    try {
      await sweep();
    } catch (error) {
      // A sweep that fails must not end the sweeping: the next one finds the same rows.
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
      log.warn('a sweep failed', { error: error.message });
    }
    await sleep(everyMs, { summary: 'until the next sweep' });
  }
  await continueAsNew<typeof reconcileAttempts>(everyMs);
}
