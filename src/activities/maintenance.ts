import { Context } from '@temporalio/activity';
import { createSweep, type SweepDeps } from '../ledger/sweep.ts';
import { typedFailures } from './typed-failures.ts';
import type { MaintenanceActivities, SweepReport } from './types.ts';

export interface MaintenanceDeps extends SweepDeps {
  onSweep(report: SweepReport): void;
}

/** A third of what the engine waits for (`heartbeatTimeout` in the workflow). */
const HEARTBEAT_EVERY_MS = 10_000;

export function createMaintenanceActivities(deps: MaintenanceDeps): MaintenanceActivities {
  const sweepOnce = createSweep(deps);
  return typedFailures<MaintenanceActivities>(
    {
      async sweep() {
        const context = Context.current();
        const heartbeat = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
        try {
          const report = await sweepOnce();
          deps.onSweep(report);
          return report;
        } finally {
          clearInterval(heartbeat);
        }
      },
    },
    deps.onError,
  );
}
