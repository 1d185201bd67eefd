/** The allow-list of what Temporal itself writes into an event: by the name of the field, and the form of its value. */
import { MAINTENANCE_TASK_QUEUE, RECONCILE_WORKFLOW_ID, TASK_QUEUE } from '../../core/names.ts';
import { ERROR_CODES } from './decision-fields.ts';
import { matching, oneOf, type Rule } from './rules.ts';

const identifier = matching(/^[A-Za-z]\w{0,63}$/);
const constant = matching(/^[A-Z]+(_[A-Z\d]+)+$/);
const integer = matching(/^-?\d{1,20}$/);
const duration = matching(/^\d{1,12}(\.\d{1,9})?s$/);
const time = matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
const runId = matching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
const taskQueue = oneOf([TASK_QUEUE, MAINTENANCE_TASK_QUEUE]);

/** By the name of the message, a dot, and the name of the field; then by the field alone. */
const BY_NAME: Readonly<Record<string, Rule>> = {
  'workflowType.name': identifier,
  'activityType.name': identifier,
  'taskQueue.name': taskQueue,
  normalName: taskQueue,
  workflowId: oneOf([RECONCILE_WORKFLOW_ID]),
  eventType: constant,
  kind: constant,
  retryState: constant,
  timeoutType: constant,
  initiator: constant,
  parentClosePolicy: constant,
  workflowIdReusePolicy: constant,
  category: constant,
  cause: constant,
  versioningBehavior: constant,
  behavior: constant,
  eventId: integer,
  taskId: integer,
  version: integer,
  historySizeBytes: integer,
  activityId: integer,
  timerId: integer,
  markerName: identifier,
  sdkName: matching(/^temporal-[a-z]{1,20}$/),
  sdkVersion: matching(/^[\d.]{1,20}$/),
  buildId: matching(/^@temporalio\/worker@[\d.]{1,20}\+[\da-f]{64}$/),
  'applicationFailureInfo.type': oneOf([...ERROR_CODES, 'Defect']),
  source: oneOf(['TypeScriptSDK', 'Server']),
};

const BY_ENDING: readonly (readonly [RegExp, Rule])[] = [
  [/[a-z]EventId$/, integer],
  [/^runId$|RunId$/, runId],
  [/Time$/, time],
  [/(Timeout|Interval|Backoff|Delay)$/, duration],
];

/** Null: no text stays in a field of this name. */
export function eventFieldRule(message: string, field: string): Rule | null {
  for (const name of [`${message}.${field}`, field]) {
    const rule = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
    if (rule) return rule;
  }
  return BY_ENDING.find(([ending]) => ending.test(field))?.[1] ?? null;
}
