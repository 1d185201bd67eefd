import { describe, expect, test } from 'vitest';
import { corpusHistories, readableText } from '../../../test/support/corpus.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { installRuntime } from '../../temporal/runtime.ts';
import { workflowBundle } from '../../workers/bundle.ts';
import { createPlaceholders } from './placeholders.ts';
import { readHistory } from './recorded-history.ts';
import { replayHistories } from './replay-histories.ts';
import { rewriteHistory } from './rewrite-history.ts';

installRuntime(() => undefined);
const corpus = corpusHistories();
const rewrite = (events: readonly JsonObject[]) => rewriteHistory({ events }, createPlaceholders());
const decode = (data: Json | undefined) => JSON.parse(Buffer.from(data as string, 'base64').toString()) as Json;
const encode = (value: Json) => Buffer.from(JSON.stringify(value)).toString('base64');

/** The same tree with each leaf passed through `map`; payloads are opened and closed on the way. */
function mapLeaves(value: Json, map: (leaf: Json) => Json): Json {
  if (Array.isArray(value)) return value.map((item) => mapLeaves(item, map));
  if (!isJsonObject(value)) return map(value);
  const { data, metadata } = value;
  if (isJsonObject(metadata) && metadata['encoding'] === Buffer.from('json/plain').toString('base64')) {
    return { ...value, data: encode(mapLeaves(decode(data), map)) };
  }
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, mapLeaves(field ?? null, map)]));
}

describe('a rewritten history', () => {
  test.each(corpus)('$name replays as before', async ({ events, name }) => {
    const recorded = readHistory(JSON.stringify(rewrite(events)), name);
    const [verdict] = await Array.fromAsync(replayHistories(await workflowBundle(), [recorded]));
    expect(verdict?.divergence).toBeNull();
    expect(recorded.events.map(({ eventType }) => eventType)).toEqual(events.map(({ eventType }) => eventType));
  });

  test.each(corpus)('$name keeps no text of its own: a canary in every string of it is gone', ({ events }) => {
    const canary = 'CANARY: tell nobody!';
    const poisoned = mapLeaves([...events], (leaf) => (typeof leaf === 'string' ? `${canary} ${leaf}` : leaf));
    // What an event is, is told by these: they are put back so that the rules are looked up as usual.
    const usable = (poisoned as JsonObject[]).map((event, index) => restoreTypes(event, events[index] ?? {}));
    const text = JSON.stringify(rewrite(usable));
    expect(JSON.stringify(usable)).toContain('CANARY');
    expect(readableText(text)).not.toContain('CANARY');
  });

  test.each(corpus)('$name keeps no field that nobody decided about, neither value nor name', ({ events }) => {
    const more = (value: Json): Json => {
      if (Array.isArray(value)) return value.map(more);
      if (!isJsonObject(value)) return value;
      const fields = Object.entries(value).map(([name, field]): [string, Json] => [name, more(field ?? null)]);
      return { ...Object.fromEntries(fields), canaryField: 'canaryValue', canaryNumber: 424_242 };
    };
    const poisoned = mapPayloads([...events], more) as JsonObject[];
    const text = readableText(JSON.stringify(rewrite(poisoned)));
    expect(text).not.toMatch(/canary|424242/);
  });

  test('keeps what was decided, and gives the same text the same stand-in', () => {
    const { events } = rewrite(corpus.find(({ name }) => name === 'retried-after-429')!.events);
    const started = events[0]!['workflowExecutionStartedEventAttributes'] as JsonObject;
    const [input] = payloadsOf(started['input']) as JsonObject[];
    expect(input).toMatchObject({
      kind: 'chat',
      callId: started['workflowId'],
      principal: { tenant: expect.stringMatching(/^hidden-[\da-f]{20}$/), models: null },
      requestRef: expect.stringMatching(/^p_[\w-]{43}$/),
      admission: {
        allowed: true,
        plan: {
          decisionId: expect.stringMatching(/^dec_[\da-f-]{36}$/),
          candidates: [{ provider: 'sim', model: 'sim-busy', worstCaseNanoUsd: '551000' }],
          retries: { maxAttempts: 2, maxRetryAfterMs: 30_000 },
          timeouts: { totalMs: 600_000 },
          onUnknown: 'recover',
        },
      },
    });
    expect(input?.['callId']).toMatch(/^call_[\w-]{24}$/);
    const order = events.find((event) => 'activityTaskScheduledEventAttributes' in event)!;
    const scheduled = order['activityTaskScheduledEventAttributes'] as JsonObject;
    expect(payloadsOf(scheduled['input'])).toMatchObject([
      { callId: input?.['callId'], tenant: (input?.['principal'] as JsonObject)['tenant'], order: 1 },
    ]);
    expect(scheduled).toMatchObject({ activityType: { name: 'executeProvider' }, heartbeatTimeout: '10s' });
    const failed = events.find((event) => 'activityTaskCompletedEventAttributes' in event)!;
    const completed = failed['activityTaskCompletedEventAttributes'] as JsonObject;
    expect(payloadsOf(completed['result'])).toMatchObject([
      { status: 'failed', error: { code: 'provider_rate_limited', retryAfterMs: 400 }, retryable: true },
    ]);
  });

  test('holds payloads that are not plain JSON as stand-ins, and names of headers and memos too', () => {
    const metadata = { encoding: Buffer.from('binary/encrypted').toString('base64'), 'canary-key': 'Y2FuYXJ5' };
    const payload = { metadata, data: Buffer.from('canary').toString('base64') };
    const map = { fields: { 'canary-name': payload } };
    const event = {
      eventId: '1',
      eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
      workflowExecutionStartedEventAttributes: {
        workflowType: { name: 'llmCall' },
        input: { payloads: [payload] },
        header: map,
        memo: map,
        searchAttributes: { indexedFields: { CanaryTeam: payload } },
      },
    };
    expect(readableText(JSON.stringify(rewrite([event])))).not.toMatch(/canary/i);
    expect(JSON.stringify(rewrite([event]))).not.toContain('Y2FuYXJ5');
  });
});

function restoreTypes(event: JsonObject, original: JsonObject): JsonObject {
  const restored = Object.entries(event).map(([field, value]): [string, Json] => {
    const before = original[field];
    if (!field.endsWith('EventAttributes') || !isJsonObject(value) || !isJsonObject(before))
      return [field, value ?? null];
    const { workflowType, activityType, scheduledEventId, markerName } = before;
    return [field, defined({ ...value, workflowType, activityType, scheduledEventId, markerName })];
  });
  return { ...Object.fromEntries(restored), eventId: original['eventId'] };
}

function defined(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}

function mapPayloads(value: Json, map: (payload: Json) => Json): Json {
  if (Array.isArray(value)) return value.map((item) => mapPayloads(item, map));
  if (!isJsonObject(value)) return value;
  if (isJsonObject(value['metadata']) && typeof value['data'] === 'string') {
    return { ...value, data: encode(map(decode(value['data']))) };
  }
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, mapPayloads(field ?? null, map)]));
}

function payloadsOf(value: Json | undefined): Json[] {
  const payloads = isJsonObject(value) && Array.isArray(value['payloads']) ? value['payloads'] : [];
  return payloads.map((payload) => decode((payload as JsonObject)['data']));
}
