import { describe, expect, it } from 'vitest';
import type { AttemptOrder } from '../core/call/types.ts';
import type { JsonObject } from '../core/json.ts';
import type { OpenAttemptResult } from '../core/ports/ledger/attempts.ts';
import type { BusMessage } from '../core/ports/stream-bus.ts';
import { BROKEN, CHARGE, INTERRUPTED, LEASE, ORDER, stage, type Scene } from './attempt-stage.ts';

const BACKGROUND: Partial<AttemptOrder> = { candidate: { ...ORDER.candidate, background: true } };
const order = { ...ORDER, ...BACKGROUND };
const response = (status: string, more: JsonObject = {}): JsonObject => ({
  id: 'resp_1',
  object: 'response',
  status,
  model: 'm',
  output: [],
  ...more,
});
const delta = (text: string) => ({ type: 'response.output_text.delta', output_index: 0, delta: text });
const answer = (text: string) => response('completed', { output: [{ type: 'message', content: [said(text)] }] });
const said = (text: string) => ({ type: 'output_text', text });
const EVENTS: JsonObject[] = [
  { type: 'response.created', response: response('queued') },
  { type: 'response.in_progress', response: response('in_progress') },
  delta('one '),
  delta('two '),
  delta('three'),
  { type: 'response.completed', response: answer('one two three') },
].map((event, index) => ({ ...event, sequence_number: index }));
const from = (after: number, to?: number) => EVENTS.slice(after + 1, to);
const TAKEN_OVER: OpenAttemptResult = { ...INTERRUPTED, responseId: 'resp_1', delivered: true };
const START = 'POST /v1/responses';
const ASK = 'GET /v1/responses/resp_1';
const follow = (after?: number) => `${ASK}?stream=true${after === undefined ? '' : `&starting_after=${String(after)}`}`;
const refused = { ...BROKEN, failure: { ...BROKEN.failure, code: 'provider_rejected' as const, status: 400 } };
const silent = { ...BROKEN, failure: { ...BROKEN.failure, code: 'provider_timeout' as const } };

/** With a client that reads, as one does that streams. */
function live(scene: Scene) {
  const set = stage(scene);
  set.bus.subscribe(ORDER.callId, new AbortController().signal);
  return set;
}

function framesOf(published: readonly BusMessage[]) {
  return published.flatMap((message) => (message.type === 'frame' ? [message] : []));
}
const textOf = (published: readonly BusMessage[]) =>
  framesOf(published)
    .flatMap(({ events }) => events.map((event) => (event.type === 'text-delta' ? event.text : '')))
    .join('');
const storedIn = ({ answers }: ReturnType<typeof live>) =>
  JSON.parse(Buffer.from(answers[0]?.answerBytes ?? []).toString()) as { frames: unknown[] | null; isRecovered?: true };

describe('the stream of work in the background', () => {
  it('is begun as one: its id is in the ledger before its first frame, its answer is recorded with its frames', async () => {
    const set = live({ replies: [{ events: EVENTS }] });
    const { run, steps, published, followed } = set;
    const ledger = { markStreaming: set.ledger.markStreaming.bind(set.ledger) };
    const before: number[] = [];
    set.ledger.markStreaming = (lease, id) => {
      before.push(framesOf(published).length);
      return ledger.markStreaming(lease, id);
    };
    expect(await run(BACKGROUND)).toMatchObject({ status: 'answered' });
    expect(steps).toEqual(['open', START, 'streaming resp_1', 'answer']);
    expect(before).toEqual([0]);
    expect(JSON.parse(followed[0]?.query.body ?? '')).toMatchObject({ background: true, stream: true });
    expect(framesOf(published).map(({ attempt, seq }) => [attempt, seq])).toEqual(
      [0, 1, 2, 3, 4].map((seq) => [1, seq]),
    );
    expect(textOf(published)).toBe('one two three');
    expect(storedIn(set).frames).toHaveLength(5);
    expect(storedIn(set).isRecovered).toBeUndefined();
  });

  it.each([
    ['breaks', BROKEN],
    ['falls silent', silent],
    ['ends without its end', undefined],
  ])('that %s is asked for after its last event: nothing is missing, nothing comes twice', async (_how, end) => {
    const set = live({
      replies: [
        { events: from(-1, 3), ...(end && { end }) },
        { events: from(2, 4), ...(end && { end }) },
        { events: from(3) },
      ],
    });
    expect(await set.run(BACKGROUND)).toMatchObject({ status: 'answered' });
    expect(set.steps).toEqual(['open', START, 'streaming resp_1', follow(2), follow(3), 'answer']);
    expect(textOf(set.published)).toBe('one two three');
    expect(set.pauses).toEqual([200, 200]);
  });

  it('that cannot be asked for is left to the polls at once, and a client that holds text is told by the answer', async () => {
    const set = live({
      replies: [{ events: from(-1, 4), end: BROKEN }, refused, { body: answer('one two three') }],
      review: { status: 'interrupted', lease: LEASE, responseId: 'resp_1', delivered: true },
    });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(await set.runner.collect(order)).toMatchObject({ status: 'answered' });
    expect(set.steps).toEqual(['open', START, 'streaming resp_1', follow(3), ASK, 'answer']);
    expect(storedIn(set)).toMatchObject({ frames: null, isRecovered: true });
  });

  it('that cannot be reached is left to the polls after some tries, further and further apart', async () => {
    const set = live({ replies: [{ events: from(-1, 3), end: BROKEN }, BROKEN, BROKEN, BROKEN, BROKEN, BROKEN] });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(set.pauses).toEqual([200, 500, 1_000, 2_000, 4_000]);
    expect(set.failures).toEqual([]);
  });

  it.each([
    ['what is no JSON', '{"type":"resp'],
    ['an error', { type: 'error', code: 'server_error', message: 'oh', sequence_number: 4 }],
  ])(
    'with %s in it is believed no further: the provider is asked how the answer stands, and that counts',
    async (_what, event) => {
      const events = [...from(-1, 4), event];
      const made = live({ replies: [{ events }, { body: answer('one two three') }] });
      expect(await made.run(BACKGROUND)).toMatchObject({ status: 'answered' });
      expect(made.steps).toEqual(['open', START, 'streaming resp_1', ASK, 'answer']);
      expect(storedIn(made)).toMatchObject({ frames: null, isRecovered: true });
      const working = live({ replies: [{ events }, { body: response('in_progress') }] });
      expect(await working.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
      const gone = live({ replies: [{ events }, refused] });
      expect(await gone.run(BACKGROUND)).toMatchObject({ error: { code: 'outcome_unknown' } });
    },
  );

  it('whose deltas do not make up its answer is recorded without them, and whoever holds text is told', async () => {
    const events = EVENTS.filter(({ sequence_number }) => sequence_number !== 3);
    const set = live({ replies: [{ events }] });
    expect(await set.run(BACKGROUND)).toMatchObject({ status: 'answered' });
    expect(storedIn(set)).toMatchObject({ frames: null, isRecovered: true });
  });

  it('that nobody read yet, and whose answer comes whole, may have been given out of the log since: whoever holds text is told', async () => {
    const set = stage({ replies: [{ events: from(-1, 4), end: BROKEN }, { body: answer('one two three') }] });
    expect(await set.run(BACKGROUND)).toMatchObject({ status: 'answered' });
    expect(storedIn(set)).toMatchObject({ frames: null, isRecovered: true });
  });

  it('is read no further beyond the limit of an answer, over all its connections', async () => {
    const text = 'x'.repeat(1_000);
    const long = Array.from({ length: 6 }, (_, n) => ({ ...delta(text), sequence_number: 2 + n }));
    const set = live({
      replies: [
        { events: [...from(-1, 2), ...long.slice(0, 3)], end: BROKEN },
        { events: long.slice(3), end: BROKEN },
        { body: response('in_progress') },
      ],
      maxAnswerBytes: 5_000,
    });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(set.steps).toEqual(['open', START, 'streaming resp_1', follow(4), ASK]);
    expect(textOf(set.published)).toBe(text.repeat(4));
  });

  it('that brings one event a connection is left to the polls after a hundred', async () => {
    const events = Array.from({ length: 150 }, (_, n) => ({ ...delta('x'), sequence_number: 2 + n }));
    const replies = events.map((event) => ({ events: [event], end: BROKEN }));
    const set = live({ replies: [{ events: from(-1, 2), end: BROKEN }, ...replies] });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(set.followed).toHaveLength(101);
  });

  it('that comes as JSON is taken as that: a provider may not stream', async () => {
    const set = live({ replies: [{ body: response('queued') }] });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(set.steps).toEqual(['open', START, 'streaming resp_1']);
  });

  it.each([
    ['breaks before it says its id', { events: [], end: BROKEN }],
    ['ends before it says its id', { events: [] }],
    ['begins with what cannot be read', { events: ['nope'] }],
  ])('that %s may be at work all the same, and is not begun again', async (_how, reply) => {
    const set = live({ replies: [reply] });
    expect(await set.run(BACKGROUND)).toMatchObject({ error: { code: 'outcome_unknown' }, retryable: false });
    expect(set.failures).toMatchObject([{ outcomeUnknown: true, charge: null }]);
  });

  it('that fails is recorded with what was made of it; text that a client has bars another attempt', async () => {
    const error = { code: 'server_error', message: 'no' };
    const failed = (at: number) => ({
      type: 'response.failed',
      sequence_number: at,
      response: response('failed', { error, usage: { input_tokens: 5 } }),
    });
    const early = live({ replies: [{ events: [...from(-1, 2), failed(2)] }] });
    expect(await early.run(BACKGROUND)).toMatchObject({ error: { code: 'provider_unavailable' }, delivered: false });
    const late = live({ replies: [{ events: [...from(-1, 4), failed(4)] }] });
    expect(await late.run(BACKGROUND)).toMatchObject({ error: { code: 'provider_unavailable' }, delivered: true });
    expect(late.failures).toMatchObject([{ charge: CHARGE, outcomeUnknown: false }]);
  });

  it('of a call that is cancelled meanwhile ends, and the job with it', async () => {
    const leaving = new AbortController();
    const cancelled = { body: response('cancelled', { usage: { input_tokens: 5 } }) };
    const set = live({ replies: [{ events: EVENTS, before: { 3: () => leaving.abort() } }, cancelled] });
    expect(await set.run(BACKGROUND, leaving.signal)).toMatchObject({ error: { code: 'cancelled' } });
    expect(set.steps).toEqual(['open', START, 'streaming resp_1', `${START}/resp_1/cancel`, 'failure']);
    expect(set.failures).toMatchObject([{ charge: CHARGE, outcomeUnknown: false }]);
  });

  it('of a call that is cancelled before its id is known goes on until it is, and ends then', async () => {
    const leaving = new AbortController();
    const set = live({
      replies: [{ events: EVENTS, before: { 0: () => leaving.abort() } }, { body: response('cancelled') }],
    });
    expect(await set.run(BACKGROUND, leaving.signal)).toMatchObject({ error: { code: 'cancelled' } });
    expect(set.steps).toEqual(['open', START, 'streaming resp_1', `${START}/resp_1/cancel`, 'failure']);
    expect(framesOf(set.published)).toEqual([]);
  });

  it('is left to another process when this one is to end: nothing is recorded, and the job goes on', async () => {
    const leaving = new AbortController();
    const set = live({
      replies: [{ events: EVENTS, before: { 3: () => leaving.abort() } }],
      deps: { leaving: leaving.signal },
    });
    await expect(set.run(BACKGROUND)).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(set.steps).toEqual(['open', START, 'streaming resp_1']);
    const early = live({ replies: [{ events: EVENTS }], deps: { leaving: AbortSignal.abort() } });
    await expect(early.run(BACKGROUND)).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(early.steps).toEqual(['open', START, 'streaming resp_1']);
    const takenOver = live({ opens: [TAKEN_OVER], deps: { leaving: AbortSignal.abort() } });
    await expect(takenOver.run(BACKGROUND)).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(takenOver.steps).toEqual(['open']);
  });

  it('that someone else has the order of by now is stopped, and nothing of it is given out', async () => {
    const set = live({ replies: [{ events: EVENTS }, { body: response('cancelled') }] });
    set.ledger.markStreaming = () => Promise.resolve({ written: false, reason: 'fenced' });
    expect(await set.run(BACKGROUND)).toMatchObject({ error: { code: 'outcome_unknown' } });
    expect(set.steps).toEqual(['open', START, `${START}/resp_1/cancel`]);
    expect(framesOf(set.published)).toEqual([]);
  });

  it('is left to the call at its deadline, which takes the order back', async () => {
    let now = 1_000;
    const late = { ...BROKEN, late: true };
    const set = live({
      replies: [{ events: from(-1, 3), before: { 2: () => (now = 10_000) }, end: late }],
      deps: { now: () => now },
    });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(set.failures).toEqual([]);
  });
});

describe('the stream of an attempt whose process was lost', () => {
  it('is asked for from its start, and its frames have the places that they had: nothing is sent again', async () => {
    const first = live({ replies: [{ events: EVENTS }] });
    await first.run(BACKGROUND);
    const next = live({ opens: [TAKEN_OVER], replies: [{ events: from(-1, 4), end: BROKEN }, { events: from(3) }] });
    expect(await next.run(BACKGROUND)).toMatchObject({ status: 'answered' });
    expect(next.steps).toEqual(['open', follow(), follow(3), 'answer']);
    expect(next.published.map(({ type }) => type)).toEqual(first.published.map(({ type }) => type));
    expect(framesOf(next.published)).toEqual(framesOf(first.published));
    expect(storedIn(next)).toEqual(storedIn(first));
    expect(next.answers).toMatchObject([{ lease: LEASE }]);
  });

  it('that cannot be had is left to the polls, and whoever holds text of it is told', async () => {
    const set = live({
      opens: [TAKEN_OVER],
      replies: [refused, { body: answer('one two three') }],
      review: { status: 'interrupted', lease: LEASE, responseId: 'resp_1', delivered: true },
    });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(await set.runner.collect(order)).toMatchObject({ status: 'answered' });
    expect(storedIn(set)).toMatchObject({ frames: null, isRecovered: true });
  });

  it('after the deadline is not asked for any more', async () => {
    const set = live({ opens: [TAKEN_OVER], deps: { now: () => 10_000 } });
    expect(await set.run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(set.steps).toEqual(['open']);
  });

  it('that has no text and failed bars no other attempt', async () => {
    const failed = { type: 'response.failed', sequence_number: 2, response: response('failed', { usage: {} }) };
    const set = live({ opens: [TAKEN_OVER], replies: [{ events: [...from(-1, 2), failed] }] });
    expect(await set.run(BACKGROUND)).toMatchObject({ status: 'failed', delivered: false });
  });
});
