/** G7: streams that are left, resumed, cut and slow; each is held to the text of one attempt. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';
import { readEvents, textOf, type Received } from '../support/read-events.ts';

let test: TestNode;
beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
  claude: { kind: anthropic, baseUrl: SIM, apiKey: env:CLAUDE_KEY, allowPrivateAddress: true }
models:
  cut-once: { targets: [{ provider: sim, model: sim-paced+cut=5+times=1 }], retries: { maxAttempts: 2, initialBackoffMs: 10 } }
  cut-over: { targets: [{ provider: sim, model: sim-paced+cut=5 }, { provider: claude, model: sim-small }], retries: { maxAttempts: 1 } }
`,
    env: { CLAUDE_KEY: 'sk-ant-test-claude-key' },
  });
});
afterAll(() => test.stop());

const callOf = (id: string) => test.get<CallView>(`/api/v1/calls/${id}`);
const ask = (model: string, content: string) => ({ model, stream: true, messages: [{ role: 'user', content }] });

/** Reads `count` events and leaves. */
async function readSome(response: Response, count: number): Promise<Received[]> {
  const events: Received[] = [];
  for await (const event of readEvents(response)) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}

async function readAll(response: Response): Promise<Received[]> {
  const events: Received[] = [];
  for await (const event of readEvents(response)) events.push(event);
  return events;
}

const lastId = (events: readonly Received[]) => events.at(-1)?.id ?? '';

describe.each([
  ['/v1/chat/completions', 'sim/sim-paced+words=40', {}],
  ['/v1/chat/completions', 'claude/sim-paced+words=40', {}],
  ['/v1/messages', 'sim/sim-paced+words=40', { max_tokens: 100 }],
  ['/v1/messages', 'claude/sim-paced+words=40', { max_tokens: 100 }],
])('a stream at %s from %s', (path, model, extra) => {
  it('is taken up after the last event that arrived, while it runs and once it has ended', async () => {
    const before = test.simulator.count;
    const key = `resumed ${path} ${model}`;
    const body = { ...ask(model, key), ...extra };
    const first = await test.post(path, body, { 'Idempotency-Key': key });
    const callId = first.headers.get('x-holdfast-call-id') ?? '';
    const head = await readSome(first, 6);
    const again = { 'Idempotency-Key': key, 'Last-Event-ID': lastId(head) };
    const tail = await readAll(await test.post(path, body, again));
    const whole = await readAll(await fetch(`${test.url}/api/v1/calls/${callId}/stream`));
    expect([...head, ...tail]).toEqual(whole);
    expect(textOf(whole)).toMatch(/^\[simulated\]/);
    const rest = await fetch(`${test.url}/api/v1/calls/${callId}/stream`, {
      headers: { 'Last-Event-ID': lastId(head) },
    });
    expect(await readAll(rest)).toEqual(tail);
    expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
    expect(test.simulator.count - before).toBe(1);
    expect((await callOf(callId)).attempts).toMatchObject([{ state: 'settled' }]);
  });
});

describe.each([
  ['/v1/chat/completions', 'sim/sim-paced+words=10', '[DONE]'],
  ['/v1/chat/completions', 'claude/sim-paced+words=10', '[DONE]'],
  ['/v1/messages', 'sim/sim-paced+words=10', 'message_stop'],
  ['/v1/messages', 'claude/sim-paced+words=10', 'message_stop'],
])('at the end of a stream at %s from %s', (path, model, endMark) => {
  const body = { ...ask(model, `to the end ${path}`), max_tokens: 100 };
  const resume = (key: string, position: string) =>
    test.post(path, body, { 'Idempotency-Key': key, 'Last-Event-ID': position });

  async function expectNoSuchEvent(response: Response): Promise<void> {
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('Last-Event-ID') });
  }

  it('a client that has it all is given the end mark once more; what was never sent is no position', async () => {
    const key = `ended ${path} ${model}`;
    const first = await test.post(path, body, { 'Idempotency-Key': key });
    const whole = await readAll(first);
    const callId = first.headers.get('x-holdfast-call-id') ?? '';
    const last = whole.at(-1);
    expect(last?.data).toContain(endMark);
    expect(await readAll(await resume(key, lastId(whole)))).toEqual([last]);
    const byId = (position: string) =>
      fetch(`${test.url}/api/v1/calls/${callId}/stream`, { headers: { 'Last-Event-ID': position } });
    expect(await readAll(await byId(lastId(whole)))).toEqual([last]);
    for (const position of [`${callId}.1.${String(whole.length)}`, `${callId}.1.99999`, `${callId}.9.0`]) {
      await expectNoSuchEvent(await resume(key, position));
      await expectNoSuchEvent(await byId(position));
    }
  });

  it.each(['1.99999', '9.3'])('%s is refused at the end of a call that runs', async (place) => {
    const key = `running ${path} ${model} ${place}`;
    const first = await test.post(path, body, { 'Idempotency-Key': key });
    const callId = first.headers.get('x-holdfast-call-id') ?? '';
    const [refused] = await Promise.all([resume(key, `${callId}.${place}`), readAll(first)]);
    await expectNoSuchEvent(refused);
  });
});

it('an attempt that a failed call never made is no position in it', async () => {
  const body = ask('sim/sim-small+status=400', 'fails');
  const first = await test.post('/v1/chat/completions', body, { 'Idempotency-Key': 'fails' });
  expect(first.status).toBe(400);
  const callId = first.headers.get('x-holdfast-call-id') ?? '';
  const resume = async (position: string) => {
    const headers = { 'Idempotency-Key': 'fails', 'Last-Event-ID': `${callId}.${position}` };
    return (await test.post('/v1/chat/completions', body, headers)).json();
  };
  expect(await resume('1.0')).toMatchObject({ error: { code: 'provider_rejected' } });
  expect(await resume('2.0')).toMatchObject({ error: { code: 'invalid_request', param: 'Last-Event-ID' } });
});

describe('a Last-Event-ID', () => {
  it.each([
    ['of nothing of ours', { 'Idempotency-Key': 'k1', 'Last-Event-ID': '42' }],
    ['of an attempt before the first', { 'Idempotency-Key': 'k1', 'Last-Event-ID': 'call_x.0.4' }],
    ['of another call', { 'Idempotency-Key': 'k2', 'Last-Event-ID': 'call_x.1.4' }],
    ['without the key of its request', { 'Last-Event-ID': 'call_x.1.4' }],
  ])('%s starts nothing', async (_what, headers) => {
    const before = test.simulator.count;
    const response = await test.post('/v1/chat/completions', ask('sim/sim-small', 'nothing to resume'), headers);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param: 'Last-Event-ID' } });
    expect(test.simulator.count).toBe(before);
  });
});

describe('a provider that cuts the stream in the middle', () => {
  const rollback = { 'x-holdfast-stream': 'rollback' };

  it.each(['cut-once', 'cut-over'])('is rolled back in sight of a client that asked for it (%s)', async (model) => {
    const response = await test.post('/v1/chat/completions', ask(model, `rolled back ${model}`), rollback);
    const events = await readAll(response);
    const at = events.findIndex(({ event }) => event === 'attempt-rollback');
    expect(JSON.parse(events[at]?.data ?? '')).toEqual({
      type: 'attempt-rollback',
      call_id: response.headers.get('x-holdfast-call-id'),
      attempt: 1,
      next: 2,
    });
    expect(textOf(events.slice(0, at))).not.toBe('');
    const kept = events.slice(at + 1);
    expect(textOf(kept)).toMatch(/^\[simulated\]/);
    expect(kept.at(-1)?.data).toBe('[DONE]');
    const call = await callOf(response.headers.get('x-holdfast-call-id') ?? '');
    expect(call).toMatchObject({ outcome: 'succeeded' });
    expect(call.attempts).toMatchObject([{ state: 'unknown', pricing: 'estimated' }, { state: 'settled' }]);
    // What a late reader gets is the answer, without what was taken back.
    const late = await readAll(await fetch(`${test.url}/api/v1/calls/${call.id}/stream`));
    expect(textOf(late)).toBe(textOf(kept));
    expect(late.map(({ event }) => event)).not.toContain('attempt-rollback');
  });

  it('a client that resumes the lost attempt is told, one way or the other', async () => {
    const headers = { ...rollback, 'Idempotency-Key': 'lost attempt' };
    const body = ask('cut-once', 'lost attempt');
    const first = await test.post('/v1/chat/completions', body, headers);
    const callId = first.headers.get('x-holdfast-call-id') ?? '';
    const head = await readSome(first, 3);
    await until('the call has ended', async () => (await callOf(callId)).state === 'ended');
    const resumed = { 'Idempotency-Key': 'lost attempt', 'Last-Event-ID': lastId(head) };
    const refused = await test.post('/v1/chat/completions', body, resumed);
    expect(refused.status).toBe(502);
    expect(await refused.json()).toMatchObject({ error: { code: 'outcome_unknown' } });
    const [told, ...rest] = await readAll(await test.post('/v1/chat/completions', body, { ...resumed, ...rollback }));
    expect(told?.event).toBe('attempt-rollback');
    expect(rest.at(-1)?.data).toBe('[DONE]');
  });
});

/** A machine that is busy with other things may refuse some of a burst with 503 and Retry-After: they start nothing. */
async function askAsOftenAsToldTo(body: object): Promise<Response> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const response = await test.post('/v1/chat/completions', body);
    if (response.status !== 503 || performance.now() > deadline) return response;
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, Number(response.headers.get('retry-after')) * 1_000));
  }
}

const MAX_BYTES_A_STREAM = 1024 * 1024;

it('500 streams at once come whole, each with its own text', async () => {
  const before = test.simulator.count;
  const heldBefore = process.memoryUsage().heapUsed;
  let mostHeld = 0;
  const watching = setInterval(() => (mostHeld = Math.max(mostHeld, process.memoryUsage().heapUsed)), 50);
  const texts = await Promise.all(
    Array.from({ length: 500 }, async (_, index) => {
      const response = await askAsOftenAsToldTo(ask('sim/sim-small+words=30', `stream ${String(index)}`));
      expect(response.status).toBe(200);
      const events = await readAll(response);
      expect(events.at(-1)?.data).toBe('[DONE]');
      return textOf(events);
    }),
  );
  clearInterval(watching);
  expect(texts.every((text) => text.startsWith('[simulated]') && text.split(' ').length === 31)).toBe(true);
  // Of the node, its provider and the 500 readers together, garbage included.
  expect(mostHeld - heldBefore).toBeLessThan(500 * MAX_BYTES_A_STREAM);
  expect(test.simulator.count - before).toBe(500);
  // Nothing is kept of what has been read to its end.
  await until('the channels are gone', async () => {
    const metrics = await (await fetch(`${test.url}/metrics`)).text();
    return /^holdfast_open_channels 0$/m.test(metrics);
  });
});
