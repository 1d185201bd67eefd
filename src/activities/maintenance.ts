import { sweep, type SweepDeps } from '../ledger/sweep.ts';
import { typedFailures } from './typed-failures.ts';
import type { MaintenanceActivities, SweepReport } from './types.ts';

export interface MaintenanceDeps extends SweepDeps {
  onSweep(report: SweepReport): void;
}

export function createMaintenanceActivities(deps: MaintenanceDeps): MaintenanceActivities {
  return typedFailures<MaintenanceActivities>(
    {
      async sweep() {
        const report = await sweep(deps);
        deps.onSweep(report);
        return report;
      },
    },
    deps.onError,
  );
}
