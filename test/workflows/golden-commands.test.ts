/**
 * What a call schedules, against literal golden objects: a change of an input, a timeout or a retry policy must be seen
 * in review, because recorded histories and running calls depend on it. Ids, references and jitter are normalised.
 */
import type { temporal } from '@temporalio/proto';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestNode } from '../support/test-node.ts';
import { scenarios, startScenarioNode } from './scenarios.ts';

let test: TestNode;
beforeAll(async () => {
  test = await startScenarioNode();
});
afterAll(() => test.stop());

const TIMEOUTS = { connectMs: 10_000, firstTokenMs: 60_000, idleMs: 60_000, totalMs: 600_000 };
const PROVIDER_ACTIVITY = {
  activity: 'executeProvider',
  taskQueue: 'holdfast',
  scheduleToCloseTimeout: '<rest of 750s>',
  scheduleToStartTimeout: '<rest of 750s>',
  startToCloseTimeout: '<rest of 750s>',
  heartbeatTimeout: '10s',
  retryPolicy: { initialInterval: '0.200s', backoffCoefficient: 2, maximumInterval: '10s', maximumAttempts: 10 },
};
const ORDER = {
  callId: '<call>',
  tenant: 'default',
  key: 'app',
  requestRef: '<ref>',
  credential: null,
  timeouts: TIMEOUTS,
  deadlineAt: '<start + 600s>',
  onUnknown: 'recover',
};

/** The plan that the door admitted the call with. */
function planOf(candidates: object[], retries: object = {}) {
  return {
    decisionId: '<decision>',
    requestRef: '<ref>',
    candidates,
    first: { credential: null },
    retries: { maxAttempts: 2, initialBackoffMs: 500, maxBackoffMs: 10_000, maxRetryAfterMs: 30_000, ...retries },
    timeouts: TIMEOUTS,
    onUnknown: 'recover',
  };
}

function startOf(model: string, plan: object) {
  return {
    workflow: 'llmCall',
    taskQueue: 'holdfast',
    workflowTaskTimeout: '10s',
    workflowExecutionTimeout: undefined,
    workflowRunTimeout: undefined,
    retryPolicy: undefined,
    summary: `chat ${model} (default)`,
    searchAttributes: { HoldfastKind: 'chat', HoldfastModel: model, HoldfastTenant: 'default' },
    memo: undefined,
    input: [
      {
        callId: '<call>',
        kind: 'chat',
        model,
        principal: { tenant: 'default', key: 'app', models: null },
        requestRef: '<ref>',
        tags: {},
        admission: { allowed: true, plan },
      },
    ],
  };
}

const SMALL = { provider: 'sim', model: 'sim-small', worstCaseNanoUsd: '551000' };
const BUSY = { ...SMALL, model: 'sim-busy' };
const DOWN = { ...SMALL, model: 'sim-down' };
const OTHER = { provider: 'other', model: 'sim-small', worstCaseNanoUsd: null };

const golden: Record<string, unknown[]> = {
  succeeded: [
    startOf('small', planOf([SMALL])),
    {
      ...PROVIDER_ACTIVITY,
      summary: 'sim/sim-small',
      input: [{ ...ORDER, order: 1, candidate: SMALL }],
    },
  ],
  'failed-over': [
    startOf('failover', planOf([DOWN, OTHER], { maxAttempts: 1 })),
    {
      ...PROVIDER_ACTIVITY,
      summary: 'sim/sim-down',
      input: [{ ...ORDER, order: 1, candidate: DOWN }],
    },
    { local: 'selectCredential' },
    {
      ...PROVIDER_ACTIVITY,
      summary: 'sim/sim-down attempt 1 -> provider_unavailable, next other/sim-small',
      input: [
        {
          ...ORDER,
          order: 2,
          credential: 'env:OTHER_KEY',
          candidate: OTHER,
        },
      ],
    },
  ],
  'retried-after-429': [
    startOf('busy', planOf([BUSY])),
    {
      ...PROVIDER_ACTIVITY,
      summary: 'sim/sim-busy',
      input: [{ ...ORDER, order: 1, candidate: BUSY }],
    },
    { timer: 'sim/sim-busy -> provider_rate_limited, again in <wait> ms', after: '<wait>' },
    {
      ...PROVIDER_ACTIVITY,
      summary: 'sim/sim-busy attempt 1 -> provider_rate_limited, again',
      input: [{ ...ORDER, order: 2, candidate: BUSY }],
    },
  ],
};

for (const [name, expected] of Object.entries(golden)) {
  it(`a call that ends as ${name} schedules exactly this`, async () => {
    const scenario = scenarios.find((one) => one.name === name);
    const callId = (await scenario?.run(test)) ?? '';
    const handle = test.client.workflow.getHandle(callId);
    await handle.result();
    const { events } = JSON.parse(historyToJSON(await handle.fetchHistory())) as { events: HistoryEvent[] };
    expect(normalised(events.flatMap(commandOf), callId)).toEqual(normalised(expected, callId));
    const [deadline = ''] = /(?<="deadlineAt":)\d+/.exec(JSON.stringify(events.flatMap(commandOf))) ?? [];
    const { startTime } = await handle.describe();
    expect(Number(deadline) - startTime.getTime()).toBeGreaterThanOrEqual(600_000);
    expect(Number(deadline) - startTime.getTime()).toBeLessThan(605_000);
    if (name !== 'retried-after-429') return;
    // The one figure that jitter varies: what the provider asked for, and at most a fifth more.
    const [wait = ''] = events.flatMap(({ timerStartedEventAttributes: timer }) => timer?.startToFireTimeout ?? []);
    expect(parseFloat(wait)).toBeGreaterThanOrEqual(0.4);
    expect(parseFloat(wait)).toBeLessThanOrEqual(0.48);
  });
}

it('a call in the background schedules one order, and asks for its answer by local steps with timers in between', async () => {
  const callId = (await scenarios.find(({ name }) => name === 'background')?.run(test)) ?? '';
  const handle = test.client.workflow.getHandle(callId);
  await handle.result();
  const { events } = JSON.parse(historyToJSON(await handle.fetchHistory())) as { events: HistoryEvent[] };
  const [, order, ...rest] = events.flatMap(commandOf);
  expect(order).toMatchObject({
    activity: 'executeProvider',
    input: [{ order: 1, candidate: { provider: 'sim', background: true }, timeouts: { totalMs: 3_600_000 } }],
  });
  const waits = rest.filter((command) => 'timer' in command);
  expect(waits.length).toBeGreaterThanOrEqual(2);
  expect(rest).toMatchObject(
    waits.flatMap(() => [{ timer: 'sim/sim-small+delay=2500 works on it' }, { local: 'collectAnswer' }]),
  );
});

interface Payload {
  data: string;
}
interface Payloads {
  payloads: Payload[];
}
type Attributes<T extends keyof temporal.api.history.v1.IHistoryEvent> = Partial<
  Record<keyof NonNullable<temporal.api.history.v1.IHistoryEvent[T]>, unknown>
>;
/** The parts of an event's JSON that are commands. */
interface HistoryEvent {
  userMetadata?: { summary?: Payload };
  workflowExecutionStartedEventAttributes?: Attributes<'workflowExecutionStartedEventAttributes'> & {
    workflowType: { name: string };
    taskQueue: { name: string };
    input: Payloads;
    searchAttributes: { indexedFields: Record<string, Payload> };
  };
  activityTaskScheduledEventAttributes?: Attributes<'activityTaskScheduledEventAttributes'> & {
    activityType: { name: string };
    taskQueue: { name: string };
    input: Payloads;
  };
  timerStartedEventAttributes?: { startToFireTimeout: string };
  markerRecordedEventAttributes?: { markerName: string; details: Record<string, Payloads> };
}

function commandOf(event: HistoryEvent): object[] {
  const summary = event.userMetadata?.summary && decode(event.userMetadata.summary);
  const started = event.workflowExecutionStartedEventAttributes;
  if (started) {
    return [
      {
        workflow: started.workflowType.name,
        taskQueue: started.taskQueue.name,
        workflowTaskTimeout: started.workflowTaskTimeout,
        workflowExecutionTimeout: started.workflowExecutionTimeout,
        workflowRunTimeout: started.workflowRunTimeout,
        retryPolicy: started.retryPolicy,
        summary,
        searchAttributes: Object.fromEntries(
          Object.entries(started.searchAttributes.indexedFields).map(([key, payload]) => [key, decode(payload)]),
        ),
        memo: started.memo,
        input: started.input.payloads.map(decode),
      },
    ];
  }
  const activity = event.activityTaskScheduledEventAttributes;
  if (activity) {
    return [
      {
        activity: activity.activityType.name,
        taskQueue: activity.taskQueue.name,
        scheduleToCloseTimeout: activity.scheduleToCloseTimeout,
        scheduleToStartTimeout: activity.scheduleToStartTimeout,
        startToCloseTimeout: activity.startToCloseTimeout,
        heartbeatTimeout: activity.heartbeatTimeout,
        retryPolicy: activity.retryPolicy,
        summary,
        input: activity.input.payloads.map(decode),
      },
    ];
  }
  const timer = event.timerStartedEventAttributes;
  if (timer) return [{ timer: summary, after: timer.startToFireTimeout }];
  const marker = event.markerRecordedEventAttributes;
  if (marker?.markerName === 'core_local_activity') {
    const [data] = marker.details['data']?.payloads.map(decode) ?? [];
    return [{ local: (data as { activity_type: string }).activity_type }];
  }
  return [];
}

function decode({ data }: Payload): unknown {
  return JSON.parse(Buffer.from(data, 'base64').toString());
}

function normalised(commands: unknown, callId: string): unknown {
  const text = JSON.stringify(commands)
    .replaceAll(callId, '<call>')
    .replaceAll(/"p_[\w-]{43}"/g, '"<ref>"')
    .replaceAll(/"dec_[\w-]{36}"/g, '"<decision>"')
    .replaceAll(/"deadlineAt":\d+/g, '"deadlineAt":"<start + 600s>"')
    .replaceAll(/"7(?:50|4\d(?:\.\d+)?)s"/g, '"<rest of 750s>"')
    .replaceAll(/again in \d+ ms","after":"[\d.]+s"/g, 'again in <wait> ms","after":"<wait>"');
  return JSON.parse(text) as unknown;
}
