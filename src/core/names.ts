/** Names that users, scripts and recorded histories depend on. */
export const TASK_QUEUE = 'holdfast';
export const MAINTENANCE_TASK_QUEUE = 'holdfast-maintenance';

/** The workflow that sweeps up after lost processes: one per namespace. */
export const RECONCILE_WORKFLOW_ID = 'holdfast-reconcile-attempts';
