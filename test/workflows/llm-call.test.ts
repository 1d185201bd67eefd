/** `llmCall` on a real Temporal server: how each call ends, what its history holds, what the UI shows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporal } from '@temporalio/proto';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { searchAttributeKeys } from '../../src/temporal/search-attribute-keys.ts';
import { awakeMsOf } from '../support/awake-time.ts';
import { until, type TestNode } from '../support/test-node.ts';
import { KEYS, scenarios, startInline, startScenarioNode } from './scenarios.ts';

let test: TestNode;
beforeAll(async () => {
  test = await startScenarioNode();
});
afterAll(() => test.stop());

const expected: Record<string, { outcome: string; code?: string; attempts: [string, string][]; hits: number }> = {
  succeeded: { outcome: 'succeeded', attempts: [['sim', 'settled']], hits: 1 },
  'succeeded-streamed': { outcome: 'succeeded', attempts: [['sim', 'settled']], hits: 1 },
  'succeeded-inline': { outcome: 'succeeded', attempts: [['sim', 'settled']], hits: 1 },
  'retried-after-429': {
    outcome: 'succeeded',
    attempts: [
      ['sim', 'failed'],
      ['sim', 'settled'],
    ],
    hits: 2,
  },
  'retry-after-beyond-cap': {
    outcome: 'succeeded',
    attempts: [
      ['sim', 'failed'],
      ['sim', 'settled'],
    ],
    hits: 2,
  },
  'failed-over': {
    outcome: 'succeeded',
    attempts: [
      ['sim', 'failed'],
      ['other', 'settled'],
    ],
    hits: 2,
  },
  'all-failed': {
    outcome: 'failed',
    code: 'all_candidates_failed',
    attempts: [
      ['sim', 'failed'],
      ['sim', 'failed'],
      ['other', 'failed'],
      ['other', 'failed'],
    ],
    hits: 4,
  },
  rejected: { outcome: 'failed', code: 'provider_rejected', attempts: [['sim', 'failed']], hits: 1 },
  'denied-by-policy': { outcome: 'denied', code: 'permission_denied', attempts: [], hits: 0 },
  'denied-by-budget': { outcome: 'denied', code: 'budget_exceeded', attempts: [], hits: 0 },
  'denied-inline': { outcome: 'denied', code: 'budget_exceeded', attempts: [], hits: 0 },
  'inline-unknown-model': { outcome: 'denied', code: 'not_found', attempts: [], hits: 0 },
  'inline-blocked': { outcome: 'failed', code: 'content_blocked', attempts: [], hits: 0 },
  'inline-incapable': { outcome: 'denied', code: 'capability_missing', attempts: [], hits: 0 },
  'inline-malformed': { outcome: 'failed', code: 'invalid_request', attempts: [], hits: 0 },
  'refused-between-attempts': {
    outcome: 'failed',
    code: 'budget_exceeded',
    attempts: [
      ['sim', 'unknown'],
      ['sim', 'failed'],
    ],
    hits: 1,
  },
  'rate-limited-everywhere': {
    outcome: 'failed',
    code: 'provider_rate_limited',
    attempts: [
      ['sim', 'failed'],
      ['sim', 'failed'],
    ],
    hits: 2,
  },
  'no-quota': { outcome: 'failed', code: 'provider_quota', attempts: [['sim', 'failed']], hits: 1 },
  'credential-refused': { outcome: 'failed', code: 'provider_auth', attempts: [['sim', 'failed']], hits: 1 },
  'unknown-then-retried': {
    outcome: 'failed',
    code: 'provider_timeout',
    attempts: [
      ['sim', 'unknown'],
      ['sim', 'unknown'],
    ],
    hits: 2,
  },
  'stream-restarted': {
    outcome: 'succeeded',
    attempts: [
      ['sim', 'unknown'],
      ['sim', 'settled'],
    ],
    hits: 2,
  },
  'cancelled-waiting': { outcome: 'cancelled', code: 'cancelled', attempts: [['sim', 'failed']], hits: 1 },
  deadline: { outcome: 'timed_out', code: 'provider_timeout', attempts: [['sim', 'unknown']], hits: 1 },
  'provider-hangs': {
    outcome: 'succeeded',
    attempts: [
      ['sim', 'unknown'],
      ['other', 'settled'],
    ],
    hits: 2,
  },
  'outcome-unknown': { outcome: 'failed', code: 'outcome_unknown', attempts: [['sim', 'unknown']], hits: 1 },
  'stream-cut': { outcome: 'failed', code: 'provider_unavailable', attempts: [['sim', 'unknown']], hits: 1 },
  background: { outcome: 'succeeded', attempts: [['sim', 'settled']], hits: 1 },
  'background-failed': { outcome: 'failed', code: 'provider_unavailable', attempts: [['sim', 'failed']], hits: 1 },
  'background-late': { outcome: 'timed_out', code: 'provider_timeout', attempts: [['sim', 'unknown']], hits: 1 },
  'background-cancelled': { outcome: 'cancelled', code: 'cancelled', attempts: [['sim', 'unknown']], hits: 1 },
  'cancelled-before': { outcome: 'cancelled', code: 'cancelled', attempts: [], hits: 0 },
  'cancelled-during': { outcome: 'cancelled', code: 'cancelled', attempts: [['sim', 'unknown']], hits: 1 },
};

const MAX_EVENTS = 16;
const MAX_BYTES = 6 * 1024;

const viewOf = (callId: string) =>
  test.get<CallView>(`/api/v1/calls/${callId}`, { authorization: `Bearer ${KEYS.app}` });

describe('a call ends as it should:', () => {
  it('every scenario has an expectation', () => {
    expect(scenarios.map(({ name }) => name).sort()).toEqual(Object.keys(expected).sort());
  });

  for (const scenario of scenarios) {
    it(scenario.name, async () => {
      const before = test.simulator.count;
      const callId = await scenario.run(test);
      const want = expected[scenario.name]!;
      const call = await viewOf(callId);
      expect(call).toMatchObject({ state: 'ended', outcome: want.outcome });
      expect(call.error?.code).toBe(want.code);
      expect(call.attempts.map(({ provider, state }) => [provider, state])).toEqual(want.attempts);
      expect(test.simulator.count - before).toBe(want.hits);

      const handle = test.client.workflow.getHandle(callId);
      await handle.result();
      const description = await handle.describe();
      expect(description.status.name).toBe('COMPLETED');
      expect(description.typedSearchAttributes.get(searchAttributeKeys.outcome)).toBe(want.outcome);
      expect(description.typedSearchAttributes.get(searchAttributeKeys.attempts)).toBe(want.attempts.length);
      expect(String(description.typedSearchAttributes.get(searchAttributeKeys.costNanoUsd))).toBe(call.costNanoUsd);
    });
  }
});

describe('the history of a call', () => {
  it(`has at most ${MAX_EVENTS} events and ${MAX_BYTES} bytes, whatever the size of the prompt`, async () => {
    const content = 'long '.repeat(50_000);
    const response = await test.post(
      '/v1/chat/completions',
      { model: 'small', max_tokens: 50, messages: [{ role: 'user', content }] },
      { authorization: `Bearer ${KEYS.app}` },
    );
    expect(response.status).toBe(200);
    const handle = test.client.workflow.getHandle(response.headers.get('x-holdfast-call-id')!);
    await handle.result();
    const { historyLength, historySize } = await handle.describe();
    expect(historyLength).toBeLessThanOrEqual(MAX_EVENTS);
    expect(historySize).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('tells the story of a failed-over call in the activity summaries', async () => {
    const scenario = scenarios.find(({ name }) => name === 'failed-over')!;
    const { events = [] } = await test.client.workflow.getHandle(await scenario.run(test)).fetchHistory();
    const { EVENT_TYPE_ACTIVITY_TASK_SCHEDULED } = temporal.api.enums.v1.EventType;
    const summaries = (events ?? [])
      .filter(({ eventType }) => eventType === EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
      .map(({ userMetadata }) => JSON.parse(Buffer.from(userMetadata?.summary?.data ?? []).toString()));
    expect(summaries).toEqual(['sim/sim-down', 'sim/sim-down attempt 1 -> provider_unavailable, next other/sim-small']);
  });

  it('a cancel after the end changes nothing', async () => {
    const handle = await startInline(test, 'small');
    await handle.result();
    const response = await test.post(
      `/api/v1/calls/${handle.workflowId}/cancel`,
      {},
      { authorization: `Bearer ${KEYS.app}` },
    );
    expect(response.status).toBe(202);
    expect(await viewOf(handle.workflowId)).toMatchObject({ outcome: 'succeeded' });
  });

  it('an oversize answer fails the attempt with a typed error, and the call goes on elsewhere or ends', async () => {
    const huge = 'sim/sim-small+words=9000000';
    const response = await test.post(
      '/v1/chat/completions',
      { model: huge, max_tokens: 50, messages: [{ role: 'user', content: 'huge' }] },
      { authorization: `Bearer ${KEYS.app}` },
    );
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: 'provider_unavailable' } });
  });
});

describe('an engine that is away while an attempt runs', () => {
  it('joins the attempt when it is back: one provider hit, one attempt', async () => {
    const before = test.simulator.count;
    const pending = test.post(
      '/v1/chat/completions',
      { model: 'sim/sim-small+delay=25000', max_tokens: 50, messages: [{ role: 'user', content: 'engine away' }] },
      { authorization: `Bearer ${KEYS.app}` },
    );
    await until('the provider has it', () => test.simulator.count === before + 1);
    // Longer than the heartbeat timeout: the server will believe that the worker is lost.
    await test.server.kill();
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    await test.server.restart();
    const response = await pending;
    expect(response.status).toBe(200);
    expect(test.simulator.count).toBe(before + 1);
    const call = await viewOf(response.headers.get('x-holdfast-call-id')!);
    expect(call.attempts.map(({ state }) => state)).toEqual(['settled']);
    const handle = test.client.workflow.getHandle(call.id);
    await handle.result();
    const { events } = await handle.fetchHistory();
    const { EVENT_TYPE_ACTIVITY_TASK_STARTED } = temporal.api.enums.v1.EventType;
    const started = events?.find(({ eventType }) => eventType === EVENT_TYPE_ACTIVITY_TASK_STARTED);
    expect(started?.activityTaskStartedEventAttributes?.attempt).toBeGreaterThan(1);
  });

  it('is told of at once: 503 with a time to retry, nothing dispatched, and calls are taken again when it is back', async () => {
    const before = test.simulator.count;
    const ask = () =>
      test.post(
        '/v1/chat/completions',
        { model: 'small', max_tokens: 50, messages: [{ role: 'user', content: 'no engine' }] },
        { authorization: `Bearer ${KEYS.app}` },
      );
    await test.server.kill();
    const refusing = ask();
    expect(await awakeMsOf(refusing)).toBeLessThan(3_500);
    const refused = await refusing;
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ error: { code: 'engine_unavailable' } });
    expect((await fetch(`${test.url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${test.url}/health/live`)).status).toBe(200);
    await test.server.restart();
    await until('calls are taken again', async () => (await ask()).status === 200);
    expect(test.simulator.count).toBe(before + 1);
  });
});
