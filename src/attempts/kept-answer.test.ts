import { describe, expect, it } from 'vitest';
import type { AttemptOrder } from '../core/call/types.ts';
import type { JsonObject } from '../core/json.ts';
import type { AttemptReview, OpenAttemptResult } from '../core/ports/ledger/attempts.ts';
import type { CallRequest, ProviderFailure } from '../core/ports/provider.ts';
import type { DispatchInput, DispatchResult } from '../providers/dispatch/dispatcher.ts';
import {
  ANSWER,
  BROKEN,
  CHARGE,
  DISPATCHED,
  INTERRUPTED,
  LEASE,
  ORDER,
  REQUEST,
  SECOND,
  failedBy,
  stage as stageOf,
  type Scene,
} from './attempt-stage.ts';

/** Its caller takes the answer in one piece. */
const stage = (scene: Scene) => stageOf({ request: { ...REQUEST, stream: false }, ...scene });

describe('an answer that the provider keeps', () => {
  const BACKGROUND: Partial<AttemptOrder> = { candidate: { ...ORDER.candidate, background: true } };
  const job = (status: string, more: JsonObject = {}) => ({
    body: { id: 'resp_1', object: 'response', status, model: 'm', output: [], ...more },
  });
  const refused = (code: ProviderFailure['code'], status: number) => ({
    ...BROKEN,
    failure: { ...BROKEN.failure, code, status },
    unknown: false,
  });
  const STREAMING: AttemptReview = { status: 'interrupted', lease: LEASE, responseId: 'resp_1', delivered: true };
  const order = { ...ORDER, ...BACKGROUND };

  it('is begun, its id is in the ledger before anything else, and the order is pending', async () => {
    const { run, steps, published } = stage({ replies: [job('queued')] });
    expect(await run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(steps).toEqual(['open', 'POST /v1/responses', 'streaming resp_1']);
    expect(published.map(({ type }) => type)).toEqual(['attempt-start']);
  });

  it('may be there at once', async () => {
    const { run, steps } = stage({ replies: [job('completed')] });
    expect(await run(BACKGROUND)).toMatchObject({ status: 'answered' });
    expect(steps).toEqual(['open', 'POST /v1/responses', 'streaming resp_1', 'answer']);
  });

  it('whose start is lost is not begun again: it may be at work', async () => {
    const { run, failures } = stage({ replies: [BROKEN] });
    expect(await run(BACKGROUND)).toMatchObject({ error: { code: 'outcome_unknown' }, retryable: false });
    expect(failures).toMatchObject([{ outcomeUnknown: true, charge: null }]);
  });

  it('whose start is lost is begun again with onUnknown retry, and the first stays unknown', async () => {
    const { run, failures } = stage({ replies: [BROKEN] });
    expect(await run({ ...BACKGROUND, onUnknown: 'retry' })).toMatchObject({ retryable: true });
    expect(failures).toMatchObject([{ outcomeUnknown: true, charge: null }]);
  });

  it('whose start is refused failed like any other', async () => {
    const { run, failures } = stage({ replies: [refused('provider_rate_limited', 429)] });
    expect(await run(BACKGROUND)).toMatchObject({ error: { code: 'provider_rate_limited' }, retryable: true });
    expect(failures).toMatchObject([{ outcomeUnknown: false, charge: null }]);
  });

  it('that someone else has the order of by now is stopped: nobody will ever know its id', async () => {
    const { run, steps, ledger } = stage({ replies: [job('queued'), job('cancelled')] });
    ledger.markStreaming = () => Promise.resolve({ written: false, reason: 'fenced' });
    expect(await run(BACKGROUND)).toMatchObject({ error: { code: 'outcome_unknown' } });
    expect(steps).toEqual(['open', 'POST /v1/responses', 'POST /v1/responses/resp_1/cancel']);
  });

  it('is stopped by its id when the call was cancelled while it began', async () => {
    const leaving = new AbortController();
    const { run, steps, failures, ledger } = stage({
      replies: [job('queued'), job('cancelled', { usage: { input_tokens: 5 } })],
    });
    ledger.markStreaming = () => {
      leaving.abort();
      return Promise.resolve({ written: true });
    };
    expect(await run(BACKGROUND, leaving.signal)).toMatchObject({ error: { code: 'cancelled' } });
    expect(steps).toEqual(['open', 'POST /v1/responses', 'POST /v1/responses/resp_1/cancel', 'failure']);
    expect(failures).toMatchObject([{ charge: CHARGE, outcomeUnknown: false }]);
  });

  it('of a call that was cancelled before is not begun, and holds nothing', async () => {
    const { run, steps, failures } = stage({});
    expect(await run(BACKGROUND, AbortSignal.abort())).toMatchObject({ error: { code: 'cancelled' } });
    expect(steps).toEqual(['open', 'failure']);
    expect(failures).toMatchObject([{ charge: null }]);
  });

  it('whose id cannot be noted is stopped, and the engine tries again', async () => {
    const { run, steps, ledger } = stage({ replies: [job('queued'), job('cancelled')] });
    ledger.markStreaming = () => Promise.reject(new Error('no ledger'));
    await expect(run(BACKGROUND)).rejects.toThrow('no ledger');
    expect(steps).toEqual(['open', 'POST /v1/responses', 'POST /v1/responses/resp_1/cancel']);
  });

  it('is still pending for a process that takes its order over: nothing is sent, nothing fenced', async () => {
    const { run, steps } = stage({ opens: [STREAMING] });
    expect(await run(BACKGROUND)).toEqual({ status: 'pending', attempt: 1 });
    expect(steps).toEqual(['open']);
  });

  it('is not begun again by a process that takes its order over without an id', async () => {
    const { run, steps } = stage({ opens: [INTERRUPTED] });
    expect(await run(BACKGROUND)).toMatchObject({ error: { code: 'outcome_unknown' }, retryable: false });
    expect(steps).toEqual(['open', 'failure']);
  });

  it('is collected when it is there, and pending before', async () => {
    const { runner, steps, answers } = stage({ review: STREAMING, replies: [job('in_progress'), job('completed')] });
    expect(await runner.collect(order)).toEqual({ status: 'pending', attempt: 1 });
    expect(await runner.collect(order)).toMatchObject({ status: 'answered' });
    expect(steps).toEqual(['GET /v1/responses/resp_1', 'GET /v1/responses/resp_1', 'answer']);
    expect(answers).toMatchObject([{ lease: LEASE, responseId: 'resp_1' }]);
  });

  it.each([
    ['cannot be reached', BROKEN],
    ['is busy', refused('provider_rate_limited', 429)],
    ['refuses the key of now', refused('provider_auth', 401)],
  ])('is asked for again when the provider %s', async (_what, reply) => {
    const { runner, failures } = stage({ review: STREAMING, replies: [reply] });
    expect(await runner.collect(order)).toEqual({ status: 'pending', attempt: 1 });
    expect(failures).toEqual([]);
  });

  it('that can never be read ends as unknown: it was made, and asking again changes nothing', async () => {
    const unreadable = { ...BROKEN, failure: { ...BROKEN.failure, retryable: false } };
    const { runner, failures } = stage({ review: STREAMING, replies: [unreadable] });
    expect(await runner.collect(order)).toMatchObject({
      error: { code: 'outcome_unknown', message: BROKEN.failure.message },
      retryable: false,
      failOver: false,
    });
    expect(failures).toMatchObject([{ outcomeUnknown: true, charge: null }]);
  });

  it.each([
    ['recover', true, false],
    ['retry', true, true],
    ['recover', false, true],
    ['fail', false, false],
  ] as const)('that has expired is unknown; with onUnknown %s, background %s, paying again is %s', async (...row) => {
    const [onUnknown, background, retryable] = row;
    const { runner, failures } = stage({
      review: STREAMING,
      replies: [refused('provider_rejected', 404)],
    });
    const candidate = { ...ORDER.candidate, ...(background && { background }) };
    expect(await runner.collect({ ...ORDER, onUnknown, candidate })).toMatchObject({
      error: { code: 'outcome_unknown' },
      retryable,
    });
    expect(failures).toMatchObject([{ outcomeUnknown: true }]);
  });

  it('that failed is recorded with what the provider made of it', async () => {
    const failed = job('failed', { error: { code: 'server_error', message: 'no' }, usage: { input_tokens: 5 } });
    const { runner, failures } = stage({ review: STREAMING, replies: [failed] });
    expect(await runner.collect(order)).toMatchObject({ error: { code: 'provider_unavailable' }, delivered: false });
    expect(failures).toMatchObject([{ charge: CHARGE, outcomeUnknown: false }]);
  });

  it.each([
    ['cancelled', job('cancelled'), 'cancelled', { charge: null, outcomeUnknown: true }],
    ['cancelled', BROKEN, 'cancelled', { charge: null, outcomeUnknown: true }],
    ['cancelled', job('completed', { usage: { input_tokens: 5 } }), 'cancelled', { charge: CHARGE }],
    ['deadline', job('in_progress'), 'provider_timeout', { charge: null, outcomeUnknown: true }],
  ] as const)('is taken back (%s): what it may cost is kept', async (reason, reply, code, report) => {
    const { runner, steps, failures } = stage({ review: STREAMING, replies: [reply] });
    expect(await runner.withdraw(order, reason)).toMatchObject({ status: 'failed', error: { code } });
    expect(steps).toEqual(['POST /v1/responses/resp_1/cancel', 'failure']);
    expect(failures).toMatchObject([report]);
  });

  it('that is there when it is taken back at the deadline is the answer', async () => {
    const { runner } = stage({ review: STREAMING, replies: [job('completed')] });
    expect(await runner.withdraw(order, 'deadline')).toMatchObject({ status: 'answered' });
  });

  it('of an order that has ended is not asked for', async () => {
    const { runner, steps } = stage({ review: { status: 'ended' } });
    expect(await runner.collect(order)).toMatchObject({ error: { code: 'cancelled' } });
    expect(await runner.withdraw(order, 'cancelled')).toMatchObject({ error: { code: 'cancelled' } });
    expect(steps).toEqual([]);
  });

  it('of an order that no worker could take up ends as that: nobody cancelled the call', async () => {
    const { runner, steps } = stage({ review: null });
    expect(await runner.collect(order)).toMatchObject({ error: { code: 'engine_unavailable' }, retryable: false });
    expect(await runner.withdraw(order, 'deadline')).toMatchObject({ error: { code: 'provider_timeout' }, late: true });
    expect(await runner.withdraw(order, 'cancelled')).toMatchObject({ error: { code: 'cancelled' } });
    expect(steps).toEqual([]);
  });

  const stored: CallRequest = { ...REQUEST, body: { ...REQUEST.body, store: true } };
  const lost: OpenAttemptResult = { ...INTERRUPTED, responseId: 'chatcmpl-1', delivered: true };
  const completion = { body: { id: 'chatcmpl-1', choices: [{ index: 0, message: { content: 'hi' } }] } };
  const taken = { ...LEASE, epoch: 2 };

  it('as a stored completion is had again instead of being paid for again, and says that its stream was lost', async () => {
    const { run, steps, answers } = stage({ opens: [lost], fenced: taken, request: stored, replies: [completion] });
    expect(await run()).toMatchObject({ status: 'answered' });
    expect(steps).toEqual(['open', 'fence', 'GET /v1/chat/completions/chatcmpl-1', 'answer']);
    expect(answers).toMatchObject([{ lease: taken }]);
    expect(JSON.parse(Buffer.from(answers[0]?.answerBytes ?? []).toString())).toMatchObject({ isRecovered: true });
  });

  const cutStream = (input: DispatchInput): Promise<DispatchResult> => {
    input.onEvent({ data: 'a' }, [{ type: 'start', id: 'chatcmpl-1', model: 'm', created: 1 }]);
    input.onEvent({ data: 'b' }, [{ type: 'text-delta', choice: 0, text: 'h' }]);
    return Promise.resolve(failedBy({}, { unknown: true, partial: ANSWER, firstTokenAt: 42 }));
  };

  it('as a stored completion whose connection broke is had again instead of being paid for again', async () => {
    const { run, steps, answers, published } = stage({ request: stored, dispatch: cutStream, replies: [completion] });
    expect(await run()).toMatchObject({ status: 'answered' });
    expect(steps).toEqual([
      'open',
      'dispatch',
      'streaming chatcmpl-1',
      'GET /v1/chat/completions/chatcmpl-1',
      'answer',
    ]);
    expect(JSON.parse(Buffer.from(answers[0]?.answerBytes ?? []).toString())).toMatchObject({ isRecovered: true });
    expect(published.at(-1)).toMatchObject({ type: 'call-end' });
  });

  it.each([
    ['the provider does not have it', { replies: [refused('provider_rejected', 404)] }, {}, 1],
    ['the provider cannot be reached', { replies: [BROKEN] }, {}, 1],
    ['its caller did not have it stored', { request: REQUEST }, {}, 0],
    ['policy says to retry', {}, { onUnknown: 'retry' }, 0],
  ] as const)('as a completion whose connection broke is unknown where %s', async (_why, scene, change, questions) => {
    const { run, steps, failures } = stage({ request: stored, dispatch: cutStream, ...scene } as Scene);
    expect(await run(change)).toMatchObject({ error: { code: 'provider_unavailable' }, retryable: true });
    expect(failures).toMatchObject([{ charge: null, outcomeUnknown: true }]);
    expect(steps.filter((step) => step.startsWith('GET'))).toHaveLength(questions);
  });

  it('that was fenced by a process that died then is asked for by the next, under the same lease', async () => {
    const fenced: OpenAttemptResult = { ...lost, lease: taken, isFenced: true };
    const { run, steps, opened, answers } = stage({ opens: [fenced], request: stored, replies: [completion] });
    expect(await run()).toMatchObject({ status: 'answered' });
    expect(steps).toEqual(['open', 'GET /v1/chat/completions/chatcmpl-1', 'answer']);
    expect(opened).toMatchObject([{ asksFirst: true }]);
    expect(answers).toMatchObject([{ lease: taken }]);
  });

  it.each([
    ['the provider does not have it', { replies: [refused('provider_rejected', 404)] }, {}],
    ['its caller did not have it stored', { request: REQUEST }, {}],
    ['policy says to retry', {}, { onUnknown: 'retry' }],
  ] as const)('as a completion is paid for again where %s', async (_why, scene, change) => {
    const { run, steps } = stage({
      opens: [lost, { ...DISPATCHED, lease: SECOND }],
      fenced: taken,
      request: stored,
      ...scene,
    } as Scene);
    expect(await run(change)).toMatchObject({ status: 'answered' });
    expect(steps.filter((step) => step === 'dispatch')).toHaveLength(1);
  });
});
