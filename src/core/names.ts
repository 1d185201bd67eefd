/** Names that users, scripts and recorded histories depend on. */
export const TASK_QUEUE = 'holdfast';
export const MAINTENANCE_TASK_QUEUE = 'holdfast-maintenance';

/** The workflow that sweeps up after lost processes: one per namespace. */
export const RECONCILE_WORKFLOW_ID = 'holdfast-reconcile-attempts';

/** The tag that says whom a call is about or for: its content is sealed by a key of that subject's own. */
export const SUBJECT_TAG = 'user';
