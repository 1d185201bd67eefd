/** Which rules hold for the payloads of an event: its type says so, or the step that it belongs to. */
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { localActivity, patch } from './attribute-rules.ts';
import type { Rule } from './rules.ts';
import { activityStep, workflowStep } from './step-rules.ts';

/** What the payloads of one event hold, by position. What is not said is hidden. */
export interface EventPayloads {
  input?: readonly Rule[];
  result?: readonly Rule[];
  /** Of a marker, by name. */
  details?: Readonly<Record<string, readonly Rule[]>>;
}

/** For the events of one history, in their order. */
export function createPayloadLookup(): (event: JsonObject) => EventPayloads {
  const stepTypes = new Map<unknown, string>();
  let workflowType = '';
  return (event) => {
    const attributes = attributesOf(event);
    const started = typeNamed(attributes['workflowType']);
    if (workflowType === '' && started !== null) workflowType = started;
    const activityType = typeNamed(attributes['activityType']);
    if (activityType !== null) stepTypes.set(event['eventId'], activityType);
    const step = stepTypes.get(attributes['scheduledEventId']);
    return {
      ...(started !== null && { input: workflowStep(started).input }),
      ...(activityType !== null && { input: activityStep(activityType).input }),
      ...(step !== undefined && { result: [activityStep(step).result] }),
      ...('workflowExecutionCompletedEventAttributes' in event && { result: [workflowStep(workflowType).result] }),
      ...markerPayloads(attributes),
    };
  };
}

/** The part of an event that its type decides. */
export function attributesOf(event: JsonObject): JsonObject {
  const [, attributes] = Object.entries(event).find(([field]) => field.endsWith('EventAttributes')) ?? [];
  return isJsonObject(attributes) ? attributes : {};
}

function typeNamed(type: Json | undefined): string | null {
  return isJsonObject(type) && typeof type['name'] === 'string' ? type['name'] : null;
}

function markerPayloads({ markerName, details }: JsonObject): EventPayloads {
  if (markerName === 'core_patch') return { details: { 'patch-data': [patch], data: [patch] } };
  if (markerName !== 'core_local_activity' || !isJsonObject(details)) return {};
  const type = /"activity_type":"(\w+)"/.exec(textOf(details['data']))?.[1] ?? '';
  return { details: { data: [localActivity], result: [activityStep(type).result] } };
}

function textOf(payloads: Json | undefined): string {
  const [first] = isJsonObject(payloads) && Array.isArray(payloads['payloads']) ? payloads['payloads'] : [];
  return isJsonObject(first) && typeof first['data'] === 'string'
    ? Buffer.from(first['data'], 'base64').toString('utf8')
    : '';
}
