/** A history as it stands in a file, checked before the replayer gets it: its native core ends the process on a bad one. */
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { HoldfastError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';

export interface RecordedHistory {
  workflowId: string;
  workflowType: string;
  runId: string;
  events: readonly JsonObject[];
  history: History;
}

const STARTED = 'workflowExecutionStartedEventAttributes';

/** `source` names it in messages. @throws HoldfastError `invalid_request` when the text is not a whole history. */
export function readHistory(text: string, source: string): RecordedHistory {
  const events = eventsOf(parse(text, source), source);
  const started = events[0]?.[STARTED];
  const { originalExecutionRunId: runId, workflowId, workflowType } = isJsonObject(started) ? started : {};
  const type = isJsonObject(workflowType) ? workflowType['name'] : undefined;
  if (typeof runId !== 'string' || typeof type !== 'string') {
    throw bad(source, 'it does not begin with the start of a workflow, its type and its run id');
  }
  if (!events.some(({ eventType }) => eventType === 'EVENT_TYPE_WORKFLOW_TASK_COMPLETED')) {
    throw bad(source, 'nothing was decided in it yet, so it would replay on any code');
  }
  return {
    // Servers before 1.24 do not write it into the event.
    workflowId: typeof workflowId === 'string' ? workflowId : source,
    workflowType: type,
    runId,
    events,
    history: toHistory(events, source),
  };
}

function parse(text: string, source: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw bad(source, 'it is not JSON');
  }
}

function eventsOf(value: Json, source: string): JsonObject[] {
  const list = isJsonObject(value) ? value['events'] : undefined;
  if (!Array.isArray(list) || list.length === 0) throw bad(source, 'it has no list "events"');
  return list.map((event, index) => {
    const isEvent = isJsonObject(event) && typeof event['eventType'] === 'string';
    if (!isEvent || Number(event['eventId']) !== index + 1) {
      throw bad(source, `event ${String(index + 1)} is missing or is none`);
    }
    return event;
  });
}

function toHistory(events: readonly JsonObject[], source: string): History {
  let history: History;
  try {
    history = historyFromJSON({ events });
  } catch (error) {
    throw bad(source, `an event cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
  const unknown = history.events?.findIndex(({ eventType }) => !eventType) ?? 0;
  if (unknown >= 0) throw bad(source, `event ${String(unknown + 1)} is of no known type`);
  return history;
}

function bad(source: string, reason: string): HoldfastError {
  return new HoldfastError(
    'invalid_request',
    `${source} is not a workflow history: ${reason}. Export one with \`holdfast replay export\`, or with \`temporal workflow show --output json\`.`,
  );
}
