/** Which outcome classes a recorded history shows, read from its events and payloads. */
import type { Admission, AttemptOutcome, CallInput, CallResult, Candidate } from '../../src/core/call/types.ts';
import type { RecordedHistory } from '../../src/cli/replay/recorded-history.ts';
import { attributesOf } from '../../src/cli/replay/event-payloads.ts';
import { isJsonObject, type Json, type JsonObject } from '../../src/core/json.ts';
import { INPUT_REFUSED, type SweepClass, type Turn } from './outcome-classes.ts';

interface Event {
  /** Without `EVENT_TYPE_`. */
  type: string;
  attributes: JsonObject;
}

export function classesOf({ workflowType, events }: RecordedHistory): Set<string> {
  const read = events.map((event) => ({
    type: typeof event['eventType'] === 'string' ? event['eventType'].replace('EVENT_TYPE_', '') : '',
    attributes: attributesOf(event),
  }));
  return new Set(workflowType === 'llmCall' ? callClasses(read) : sweepClasses(read));
}

function sweepClasses(events: readonly Event[]): SweepClass[] {
  const types = events.map(({ type }) => type);
  const has = (type: string) => types.includes(type);
  return [
    ...(has('ACTIVITY_TASK_COMPLETED') ? ['sweep COMPLETED' as const] : []),
    ...(has('ACTIVITY_TASK_FAILED') ? ['sweep FAILED' as const] : []),
    ...(types.at(-1)?.startsWith('WORKFLOW_EXECUTION') ? [] : ['run waits' as const]),
    ...(has('WORKFLOW_EXECUTION_CONTINUED_AS_NEW') ? ['run CONTINUED_AS_NEW' as const] : []),
    ...(has('WORKFLOW_EXECUTION_CANCELED') ? ['run CANCELED' as const] : []),
  ];
}

function callClasses(events: readonly Event[]): string[] {
  const attributes = (type: string) => events.filter((event) => event.type === type).map((event) => event.attributes);
  const [result] = attributes('WORKFLOW_EXECUTION_COMPLETED').map((end) => payload(end['result']) as CallResult);
  const outcomes = attributes('ACTIVITY_TASK_COMPLETED').map((end) => payload(end['result']) as AttemptOutcome);
  return [
    ...(result ? [`outcome ${result.outcome}`] : []),
    ...(result?.error ? [`error ${result.error.code}`] : []),
    ...outcomes.map(({ status }) => `attempt ${status}`),
    ...events
      .flatMap(({ type }) => /^ACTIVITY_TASK_(COMPLETED|FAILED|TIMED_OUT)$/.exec(type)?.[1] ?? [])
      .map(stepClass),
    ...turns(events, outcomes, attributes),
    ...(attributes('WORKFLOW_EXECUTION_FAILED').length > 0 ? [INPUT_REFUSED] : []),
  ];
}

function stepClass(event: string): string {
  return `paying step ${event}`;
}

function turns(
  events: readonly Event[],
  outcomes: readonly AttemptOutcome[],
  attributes: (type: string) => JsonObject[],
): Turn[] {
  const [input] = attributes('WORKFLOW_EXECUTION_STARTED').map((start) => payload(start['input']) as CallInput);
  const admitted = markersOf(attributes('MARKER_RECORDED'), 'admit').map((marker) => payload(marker) as Admission);
  const orders = attributes('ACTIVITY_TASK_SCHEDULED').map(
    (order) => payload(order['input']) as { candidate: Candidate },
  );
  const tries = attributes('ACTIVITY_TASK_STARTED').map(({ attempt }) => Number(attempt));
  const types = events.map(({ type }) => type);
  const delivered = outcomes.findIndex((outcome) => outcome.status === 'failed' && outcome.delivered);
  const markers = attributes('MARKER_RECORDED');
  const collected = markersOf(markers, 'collectAnswer');
  const withdrawn = markersOf(markers, 'withdrawAttempt');
  const isCancelled = types.includes('WORKFLOW_EXECUTION_CANCEL_REQUESTED');
  const found: Record<Turn, boolean> = {
    'admitted by the door': input?.admission !== undefined,
    'admitted by a step': admitted.some(({ allowed }) => allowed),
    'refused by a step': admitted.some(({ allowed }) => !allowed),
    'waited and tried again': types.includes('TIMER_FIRED') && orders.length > 1,
    'failed over': orders.some(({ candidate }) => nameOf(candidate) !== nameOf(orders[0]?.candidate)),
    'restarted after a rollback': delivered >= 0 && delivered < outcomes.length - 1,
    'ended after text was delivered': delivered >= 0 && delivered === outcomes.length - 1,
    'ended late': outcomes.some((outcome) => outcome.status === 'failed' && outcome.late === true),
    'cancelled before an attempt': isCancelled && orders.length === 0,
    'cancelled in an attempt': types.includes('ACTIVITY_TASK_CANCEL_REQUESTED'),
    'cancelled in a wait': types.includes('TIMER_CANCELED'),
    'collected later': collected.length > 0 && withdrawn.length === 0,
    'collected after its workers were lost': collected.length > 0 && outcomes.length < orders.length,
    'withdrawn by a cancellation': withdrawn.length > 0 && isCancelled,
    'withdrawn at the deadline': withdrawn.length > 0 && !isCancelled,
    'answered after a lost worker': tries.some((n) => n > 1) && outcomes.at(-1)?.status === 'answered',
  };
  return (Object.keys(found) as Turn[]).filter((turn) => found[turn]);
}

function nameOf(candidate: Candidate | undefined): string {
  return `${candidate?.provider ?? ''}/${candidate?.model ?? ''}`;
}

/** The results of a local step. */
function markersOf(markers: readonly JsonObject[], step: string): Json[] {
  return markers.flatMap(({ details }) => {
    if (!isJsonObject(details) || !details['result']) return [];
    const { activity_type: type } = payload(details['data']) as { activity_type?: string };
    return type === step ? [details['result']] : [];
  });
}

function payload(payloads: Json | undefined): unknown {
  const [first] = isJsonObject(payloads) && Array.isArray(payloads['payloads']) ? payloads['payloads'] : [];
  const data = isJsonObject(first) && typeof first['data'] === 'string' ? first['data'] : 'e30=';
  return JSON.parse(Buffer.from(data, 'base64').toString());
}
