import { describe, expect, it } from 'vitest';
import type { AttemptOrder } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type {
  AttemptLease,
  AttemptReview,
  AttemptState,
  CallView,
  Ledger,
  OpenAttemptInput,
  OpenAttemptResult,
  RecordAnswerInput,
  RecordFailureInput,
} from '../core/ports/ledger.ts';
import type { CallRequest, ProviderAnswer, ProviderFailure } from '../core/ports/provider.ts';
import type { BusMessage } from '../core/ports/stream-bus.ts';
import type { AskInput, AskResult, DispatchInput, DispatchResult } from '../providers/dispatch/dispatcher.ts';
import { providerAdapters } from '../providers/registry.ts';
import { createMemoryStreamBus } from '../stores/memory/stream-bus.ts';
import { createAttemptRunner, type AttemptDeps } from './run-attempt.ts';

const ORDER: AttemptOrder = {
  callId: 'call_1',
  tenant: 'acme',
  key: 'app',
  requestRef: 'p_request',
  order: 1,
  candidate: { provider: 'sim', model: 'sim-small', worstCaseNanoUsd: '5000' },
  credential: 'env:KEY',
  timeouts: { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 9_000 },
  deadlineAt: 10_000,
  onUnknown: 'recover',
};
const REQUEST: CallRequest = {
  wire: 'openai-chat',
  stream: true,
  body: { model: 'small', messages: [{ role: 'user', content: 'a prompt to keep private' }] },
};
const ANSWER: ProviderAnswer = {
  wire: 'openai-chat',
  body: { id: 'r1' },
  chat: null,
  usage: null,
  rawUsage: null,
  responseId: 'r1',
  model: 'sim-small-2026',
  serviceTier: null,
};
const CHARGE = {
  usage: null,
  rawUsage: null,
  costNanoUsd: 7n,
  pricing: 'priced',
  catalogue: 'c',
  serviceTier: null,
} as const;
const ENDED_CALL: CallView = {
  id: 'call_1',
  tenant: 'acme',
  kind: 'chat',
  model: 'small',
  state: 'ended',
  outcome: 'succeeded',
  createdAt: '2026-11-20T12:00:00.000Z',
  endedAt: '2026-11-20T12:00:01.000Z',
  costNanoUsd: '7',
  pricing: 'priced',
  error: null,
  key: 'app',
  tags: {},
  requestRef: 'p_request',
  answerRef: 'p_answer',
  attempts: [],
};
const LEASE: AttemptLease = { callId: 'call_1', attempt: 1, epoch: 1 };
const SECOND: AttemptLease = { callId: 'call_1', attempt: 2, epoch: 1 };
const DISPATCHED: OpenAttemptResult = { status: 'dispatched', lease: LEASE };
const INTERRUPTED: OpenAttemptResult = { status: 'interrupted', lease: LEASE, responseId: null, delivered: false };
const answeredBy: DispatchResult = { status: 'answered', answer: ANSWER, firstTokenAt: 99 };
const failedBy = (failure: Partial<ProviderFailure> = {}, extra: Partial<DispatchResult> = {}): DispatchResult =>
  ({
    status: 'failed',
    failure: { code: 'provider_unavailable', message: 'it broke', retryable: true, failOver: true, ...failure },
    unknown: false,
    late: false,
    partial: null,
    firstTokenAt: null,
    ...extra,
  }) as DispatchResult;

interface Scene {
  opens?: OpenAttemptResult[];
  fenced?: AttemptLease | null;
  /** The state that the ledger shows of attempt 1. */
  state?: AttemptState;
  /** Whether the record of an answer or a failure is accepted. */
  written?: boolean;
  dispatch?: (input: DispatchInput) => Promise<DispatchResult>;
  /** What the provider says when it is asked, in turn. */
  replies?: ({ body: JsonObject } | Extract<AskResult<never>, { status: 'failed' }>)[];
  /** How the ledger says that the order stands. */
  review?: AttemptReview | null;
  request?: CallRequest;
  deps?: Partial<AttemptDeps>;
}

function stage({ opens = [DISPATCHED], fenced = null, state = 'unknown', written = true, dispatch, ...scene }: Scene) {
  const { replies = [], review = null, request = REQUEST, deps = {} } = scene;
  const steps: string[] = [];
  const opened: OpenAttemptInput[] = [];
  const answers: RecordAnswerInput[] = [];
  const failures: RecordFailureInput[] = [];
  const sent: DispatchInput[] = [];
  const published: BusMessage[] = [];
  const queue = [...opens];
  const ledger = {
    openAttempt(input: OpenAttemptInput) {
      steps.push('open');
      opened.push(input);
      const next = queue.shift();
      return next ? Promise.resolve(next) : Promise.reject(new Error('opened once too often'));
    },
    fence() {
      steps.push('fence');
      return Promise.resolve(fenced);
    },
    markStreaming(_lease: AttemptLease, responseId: string | null) {
      steps.push(`streaming ${String(responseId)}`);
      return Promise.resolve({ written: true });
    },
    reviewAttempt: () => Promise.resolve(review),
    getCall: () => Promise.resolve({ attempts: [{ n: 1, state }] }),
    recordAnswer(input: RecordAnswerInput) {
      steps.push('answer');
      answers.push(input);
      return Promise.resolve(written ? { written, call: ENDED_CALL } : { written, reason: 'fenced' });
    },
    recordFailure(input: RecordFailureInput) {
      steps.push('failure');
      failures.push(input);
      return Promise.resolve(written ? { written } : { written, reason: 'fenced' });
    },
  } as unknown as Ledger;
  const bus = createMemoryStreamBus();
  const defects: unknown[] = [];
  const ended: string[] = [];
  const runner = createAttemptRunner({
    ledger,
    payloads: {
      get: () => Promise.resolve(Buffer.from(JSON.stringify(request))),
      put: () => Promise.reject(new Error('nothing is put here')),
    },
    bus: {
      ...bus,
      publish(callId, message) {
        published.push(message);
        return bus.publish(callId, message);
      },
    },
    dispatcher: {
      dispatch(input) {
        steps.push('dispatch');
        sent.push(input);
        return dispatch ? dispatch(input) : Promise.resolve(answeredBy);
      },
      ask<T>(input: AskInput<T>): Promise<AskResult<T>> {
        const { method, url } = input.query;
        steps.push(`${method} ${new URL(url).pathname}`);
        const said = replies.shift();
        if (said === undefined) return Promise.reject(new Error('asked once too often'));
        if ('status' in said) return Promise.resolve(said as AskResult<T>);
        return Promise.resolve({ status: 'answered', value: input.decode(JSON.stringify(said.body)) });
      },
      close: () => Promise.resolve(),
    },
    adapters: providerAdapters,
    providerNamed: (name) => ({
      name,
      kind: 'simulated',
      baseUrl: 'http://127.0.0.1:1/v1',
      apiKey: 'env:KEY',
      headers: {},
    }),
    resolveCredential: (name) => Promise.resolve({ name, version: 3, reveal: () => 'The.Secret-Value' }),
    budgetsOf: () => [],
    charge: () => CHARGE,
    owner: 'host:1:2',
    payloadTtlMs: 1_000,
    now: () => 1_000,
    onCallEnd: ({ id }) => ended.push(id),
    onDefect: (error) => defects.push(error),
    ...deps,
  });
  const run = (order: Partial<AttemptOrder> = {}, signal = new AbortController().signal) =>
    runner.run({ ...ORDER, ...order }, signal);
  return { run, runner, ledger, bus, steps, opened, answers, failures, sent, published, defects, ended };
}

describe('an order', () => {
  it("opens its row, sends, records the answer with the call's end, publishes both, and returns figures", async () => {
    const { run, steps, opened, answers, sent, published, ended } = stage({});
    expect(await run()).toMatchObject({
      status: 'answered',
      attempt: 1,
      result: { callId: 'call_1', outcome: 'succeeded', answerRef: 'p_answer', costNanoUsd: '7' },
    });
    expect(ended).toEqual(['call_1']);
    expect(sent[0]?.timeouts).toEqual({ ...ORDER.timeouts, totalMs: 9_000 });
    expect(steps).toEqual(['open', 'dispatch', 'answer']);
    expect(opened[0]).toMatchObject({ credential: 'env:KEY@3', worstCaseNanoUsd: 5_000n, order: 1 });
    expect(opened[0]?.owner).toMatch(/^host:1:2\/[0-9a-f-]{36}$/);
    expect(sent[0]?.encoded.headers['authorization']).toBe('Bearer The.Secret-Value');
    expect(answers[0]).toMatchObject({
      lease: LEASE,
      charge: CHARGE,
      responseId: 'r1',
      answeredModel: 'sim-small-2026',
    });
    expect(answers[0]).toMatchObject({ firstTokenAt: 99, payloadTtlMs: 1_000 });
    expect(published.map(({ type }) => type)).toEqual(['attempt-start', 'answer', 'call-end']);
  });

  it('goes without a credential and without a hold where there is none', async () => {
    const { run, opened, sent } = stage({});
    await run({ credential: null, candidate: { ...ORDER.candidate, worstCaseNanoUsd: null } });
    expect(opened[0]).toMatchObject({ credential: null, worstCaseNanoUsd: null });
    expect(sent[0]?.encoded.headers['authorization']).toBeUndefined();
  });

  const settledBefore: [OpenAttemptResult, unknown][] = [
    [
      { status: 'answered', attempt: 4, call: { ...ENDED_CALL, answerRef: 'p_before' } },
      { status: 'answered', attempt: 4, result: { answerRef: 'p_before' } },
    ],
    [
      {
        status: 'failed',
        attempt: 2,
        failure: {
          error: { code: 'provider_rate_limited', message: 'm', source: 'provider' },
          retryable: true,
          failOver: true,
          delivered: true,
        },
      },
      { status: 'failed', attempt: 2, retryable: true, failOver: true, delivered: true },
    ],
    [
      { status: 'refused', error: { code: 'budget_exceeded', message: 'full', source: 'gateway' } },
      { status: 'failed', error: { code: 'budget_exceeded' }, retryable: false, failOver: false },
    ],
    [{ status: 'ended' }, { status: 'failed', error: { code: 'cancelled' }, retryable: false, failOver: false }],
  ];
  it.each(settledBefore)('that the ledger finds %j sends nothing', async (opened, expected) => {
    const { run, steps, published } = stage({ opens: [opened] });
    expect(await run()).toMatchObject(expected as object);
    expect(steps).toEqual(['open']);
    // A call that has ended is told to whoever follows it here: the process that recorded its end may be gone.
    expect(published.map(({ type }) => type)).toEqual(opened.status === 'answered' ? ['call-end'] : []);
  });

  it('without its credential sends nothing, is recorded without a charge so that its hold is free, and fails over', async () => {
    const resolveCredential = () =>
      Promise.reject(new HoldfastError('provider_auth', 'no secret', { source: 'gateway' }));
    const { run, steps, failures, sent } = stage({ deps: { resolveCredential } });
    expect(await run()).toMatchObject({
      status: 'failed',
      error: { code: 'provider_auth' },
      failOver: true,
      retryable: false,
    });
    expect(steps).toEqual(['open', 'failure']);
    expect(failures).toMatchObject([{ charge: null, failure: { error: { code: 'provider_auth' } } }]);
    expect(failures[0]?.outcomeUnknown ?? false).toBe(false);
    expect(sent).toEqual([]);
  });

  it('whose credential store breaks is thrown, for the engine to try again', async () => {
    const { run, steps } = stage({ deps: { resolveCredential: () => Promise.reject(new Error('disk')) } });
    await expect(run()).rejects.toThrow('disk');
    expect(steps).toEqual([]);
  });

  it('whose request has expired is thrown before any row is written', async () => {
    const payloads = { get: () => Promise.resolve(null), put: () => Promise.resolve('') };
    const { run, steps } = stage({ deps: { payloads } });
    await expect(run()).rejects.toMatchObject({ code: 'not_found' });
    expect(steps).toEqual([]);
  });
});

describe('an order that was interrupted', () => {
  it.each(['recover', 'retry'] as const)(
    'with onUnknown %s is fenced and sent again, as another attempt',
    async (onUnknown) => {
      const { run, steps, answers } = stage({
        opens: [INTERRUPTED, { status: 'dispatched', lease: SECOND }],
        fenced: LEASE,
      });
      expect(await run({ onUnknown })).toMatchObject({ status: 'answered', attempt: 2 });
      expect(steps).toEqual(['open', 'fence', 'open', 'dispatch', 'answer']);
      expect(answers[0]?.lease).toEqual(SECOND);
    },
  );

  it('with onUnknown fail is recorded as unknown, and not paid for again', async () => {
    const { run, steps, failures } = stage({ opens: [INTERRUPTED] });
    expect(await run({ onUnknown: 'fail' })).toMatchObject({
      status: 'failed',
      attempt: 1,
      error: { code: 'outcome_unknown' },
      retryable: false,
      failOver: false,
    });
    expect(steps).toEqual(['open', 'failure']);
    expect(failures[0]).toMatchObject({ lease: LEASE, outcomeUnknown: true, charge: null });
  });

  const reports: [AttemptState, OpenAttemptResult, object][] = [
    [
      'settled',
      { status: 'answered', attempt: 1, call: ENDED_CALL },
      { status: 'answered', result: { outcome: 'succeeded' } },
    ],
    [
      'failed',
      {
        status: 'failed',
        attempt: 1,
        failure: {
          error: { code: 'provider_rate_limited', message: 'm', source: 'provider' },
          retryable: true,
          failOver: true,
          delivered: false,
        },
      },
      { status: 'failed', error: { code: 'provider_rate_limited' }, retryable: true },
    ],
  ];
  it.each(reports)(
    'with onUnknown fail, whose sender reported after all (%s), ends as reported',
    async (state, reported, expected) => {
      const { run, steps } = stage({ opens: [INTERRUPTED, reported], written: false, state });
      expect(await run({ onUnknown: 'fail' })).toMatchObject(expected);
      expect(steps).toEqual(['open', 'failure', 'open']);
    },
  );

  it('but was recorded before the fence came, ends as it was recorded', async () => {
    const recorded: OpenAttemptResult = { status: 'answered', attempt: 1, call: ENDED_CALL };
    const { run, steps } = stage({ opens: [INTERRUPTED, recorded], fenced: null });
    expect(await run()).toMatchObject({ status: 'answered', result: { answerRef: 'p_answer' } });
    expect(steps).toEqual(['open', 'fence', 'open']);
  });

  it('and was taken by another process meanwhile sends nothing', async () => {
    const { run, steps } = stage({ opens: [INTERRUPTED, { ...INTERRUPTED, lease: SECOND }], fenced: LEASE });
    expect(await run()).toMatchObject({ status: 'failed', attempt: 2, error: { code: 'outcome_unknown' } });
    expect(steps).toEqual(['open', 'fence', 'open']);
  });
});

describe('an order whose call is out of time', () => {
  const late = { deadlineAt: 1_000 };

  it('sends nothing, and gives its hold back', async () => {
    const { run, steps, failures } = stage({});
    expect(await run(late)).toMatchObject({ status: 'failed', late: true, retryable: false, failOver: false });
    expect(steps).toEqual(['open', 'failure']);
    expect(failures[0]).toMatchObject({ lease: LEASE, charge: null, failure: { late: true } });
  });

  it('still ends with the answer that it has', async () => {
    const { run, steps } = stage({ opens: [{ status: 'answered', attempt: 1, call: ENDED_CALL }] });
    expect(await run(late)).toMatchObject({ status: 'answered' });
    expect(steps).toEqual(['open']);
  });

  it('is not sent again when its sender was lost: the attempt stays unknown', async () => {
    const { run, steps } = stage({ opens: [INTERRUPTED], fenced: LEASE });
    expect(await run(late)).toMatchObject({ status: 'failed', attempt: 1, late: true });
    expect(steps).toEqual(['open', 'fence']);
  });

  it('in mid-flight is recorded as late, with what came until then as its charge', async () => {
    const timeout = failedBy({ code: 'provider_timeout' }, { late: true, unknown: true, partial: ANSWER });
    const { run, failures } = stage({ dispatch: () => Promise.resolve(timeout) });
    expect(await run()).toMatchObject({ status: 'failed', late: true, error: { code: 'provider_timeout' } });
    expect(failures[0]).toMatchObject({ charge: CHARGE, failure: { late: true } });
  });
});

describe('an attempt that was fenced while it ran', () => {
  it('drops its answer: nothing is published and nothing is returned as answered', async () => {
    const { run, published } = stage({ written: false });
    expect(await run()).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' }, retryable: false });
    expect(published.map(({ type }) => type)).toEqual(['attempt-start']);
  });

  it('drops its failure too', async () => {
    const { run, published } = stage({ written: false, dispatch: () => Promise.resolve(failedBy()) });
    expect(await run()).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' }, retryable: false });
    expect(published.map(({ type }) => type)).toEqual(['attempt-start']);
  });
});

it('a ledger whose word is lost while it opens the row is asked again by the same sender', async () => {
  const scene = stage({});
  const { ledger } = scene;
  const open = ledger.openAttempt;
  let lost = 1;
  ledger.openAttempt = (input) => {
    scene.opened.push(input);
    return lost-- > 0 ? Promise.reject(new HoldfastError('engine_unavailable', 'connection lost')) : open(input);
  };
  expect(await scene.run()).toMatchObject({ status: 'answered', attempt: 1 });
  expect(new Set(scene.opened.map(({ owner }) => owner)).size).toBe(1);
  expect(scene.steps).toEqual(['open', 'dispatch', 'answer']);
});

it('a ledger that is busy for a moment does not lose an answer that was paid for', async () => {
  const scene = stage({});
  const { ledger } = scene;
  const record = ledger.recordAnswer;
  let refusals = 2;
  ledger.recordAnswer = (input) =>
    refusals-- > 0 ? Promise.reject(new HoldfastError('engine_unavailable', 'locked')) : record(input);
  expect(await scene.run()).toMatchObject({ status: 'answered' });
  expect(scene.steps).toEqual(['open', 'dispatch', 'answer']);
});

describe('a failure of the provider', () => {
  it('is recorded with what may be done next, and without a charge', async () => {
    const failure = { code: 'provider_rate_limited', retryAfterMs: 500, status: 429 } as const;
    const { run, failures, published } = stage({ dispatch: () => Promise.resolve(failedBy(failure)) });
    expect(await run()).toEqual({
      status: 'failed',
      attempt: 1,
      error: { code: 'provider_rate_limited', message: 'it broke', source: 'provider', retryAfterMs: 500 },
      retryable: true,
      failOver: true,
      delivered: false,
    });
    expect(failures[0]).toMatchObject({ charge: null, outcomeUnknown: false });
    expect(published.at(-1)).toEqual({
      type: 'attempt-failed',
      attempt: 1,
      code: 'provider_rate_limited',
      delivered: false,
    });
  });

  it('keeps the status of a rejection, which the caller is shown', async () => {
    const rejected = failedBy({ code: 'provider_rejected', status: 422, retryable: false, failOver: false });
    const { run } = stage({ dispatch: () => Promise.resolve(rejected) });
    expect(await run()).toMatchObject({ error: { code: 'provider_rejected', status: 422 } });
  });

  it('that repeats key and prompt is recorded without them', async () => {
    const message = 'Key The.Secret-Value may not ask: a prompt to keep private!';
    const { run, failures, published } = stage({ dispatch: () => Promise.resolve(failedBy({ message })) });
    const outcome = await run();
    expect(outcome).toMatchObject({ error: { message: 'Key [redacted] may not ask: [content]!' } });
    expect(JSON.stringify([outcome, failures, published])).not.toMatch(/Secret-Value|keep private/);
  });

  it('after which nobody knows the outcome keeps its hold, and may be tried again by policy', async () => {
    const lost = failedBy({ code: 'provider_timeout' }, { unknown: true });
    const { run, failures } = stage({ dispatch: () => Promise.resolve(lost) });
    expect(await run()).toMatchObject({ error: { code: 'provider_timeout' }, retryable: true });
    expect(failures[0]).toMatchObject({ outcomeUnknown: true, charge: null });
  });

  it('after which nobody knows the outcome is final with onUnknown fail', async () => {
    const lost = failedBy({ code: 'provider_timeout' }, { unknown: true });
    const { run, failures } = stage({ dispatch: () => Promise.resolve(lost) });
    expect(await run({ onUnknown: 'fail' })).toMatchObject({
      error: { code: 'outcome_unknown' },
      retryable: false,
      failOver: false,
    });
    expect(failures).toHaveLength(1);
  });

  it('in the middle of a stream is charged for what came, and is not unknown', async () => {
    const cut = failedBy({}, { unknown: true, partial: ANSWER, firstTokenAt: 42 });
    const { run, failures } = stage({ dispatch: () => Promise.resolve(cut) });
    expect(await run({ onUnknown: 'fail' })).toMatchObject({
      error: { code: 'provider_unavailable' },
      retryable: true,
    });
    expect(failures[0]).toMatchObject({ charge: CHARGE, outcomeUnknown: false, firstTokenAt: 42 });
  });

  it('that our own cancel caused is a cancel, and is never tried again, whatever the policy for the unknown', async () => {
    for (const onUnknown of ['fail', 'retry'] as const) {
      const controller = new AbortController();
      const { run, failures } = stage({
        dispatch(input) {
          controller.abort();
          expect(input.signal.aborted).toBe(true);
          return Promise.resolve(failedBy({}, { unknown: true }));
        },
      });
      expect(await run({ onUnknown }, controller.signal)).toMatchObject({
        error: { code: 'cancelled', source: 'gateway' },
        retryable: false,
        failOver: false,
      });
      expect(failures[0]).toMatchObject({ outcomeUnknown: true });
    }
  });

  it('of our own encoder sends nothing, is recorded, and fails over', async () => {
    const simulated = providerAdapters.get('simulated')!;
    const encode = () => {
      throw new HoldfastError('capability_missing', 'cannot be said');
    };
    const { run, failures, sent } = stage({ deps: { adapters: new Map([['simulated', { ...simulated, encode }]]) } });
    expect(await run()).toMatchObject({ error: { code: 'capability_missing' }, failOver: true, retryable: false });
    expect(failures).toHaveLength(1);
    expect(sent).toEqual([]);
  });

  it('that is a defect of ours after the bytes left is recorded as unknown, never sent again, and told to the log', async () => {
    const { run, failures, defects, runner } = stage({ dispatch: () => Promise.reject(new TypeError('a defect')) });
    expect(await run()).toMatchObject({ error: { code: 'outcome_unknown' }, retryable: false, failOver: false });
    expect(failures).toMatchObject([{ outcomeUnknown: true, charge: null }]);
    expect(defects).toMatchObject([{ message: 'a defect' }]);
    expect(runner.live).toBe(0);
  });

  it('to be priced leaves the answer recorded, unpriced', async () => {
    const charge = () => {
      throw new RangeError('too large');
    };
    const { run, answers, defects } = stage({ deps: { charge } });
    expect(await run()).toMatchObject({ status: 'answered' });
    expect(answers[0]?.charge).toMatchObject({ costNanoUsd: null, pricing: 'unpriced' });
    expect(defects).toHaveLength(1);
  });
});

describe('a stream', () => {
  const frames = (input: DispatchInput) => {
    input.onEvent({ data: 'a' }, [{ type: 'start', id: 'r9', model: 'm', created: 1 }]);
    input.onEvent({ data: 'b' }, [{ type: 'text-delta', choice: 0, text: 'x' }]);
  };

  it('is marked once, published frame by frame, and stored as its frame log', async () => {
    const { run, steps, answers, published } = stage({
      dispatch(input) {
        frames(input);
        return Promise.resolve(answeredBy);
      },
    });
    await run();
    expect(steps.filter((step) => step.startsWith('streaming'))).toEqual(['streaming r9']);
    expect(published.map((message) => (message.type === 'frame' ? message.seq : message.type))).toEqual([
      'attempt-start',
      0,
      1,
      'answer',
      'call-end',
    ]);
    expect(JSON.parse(Buffer.from(answers[0]?.answerBytes ?? []).toString())).toMatchObject({
      frames: [{ data: 'a' }, { data: 'b' }],
    });
  });

  it.each([true, false])('that breaks is delivered only if someone was there to read it: %s', async (isRead) => {
    const scene = stage({
      dispatch(input) {
        frames(input);
        return Promise.resolve(failedBy({}, { partial: ANSWER }));
      },
    });
    if (isRead) scene.bus.subscribe('call_1', new AbortController().signal);
    expect(await scene.run()).toMatchObject({ delivered: isRead });
    expect(scene.published.at(-1)).toMatchObject({ type: 'attempt-failed', delivered: isRead });
  });
});

describe('the same order again in the same process', () => {
  it('joins the one that runs: one row, one request, one answer for both', async () => {
    const gate = Promise.withResolvers<DispatchResult>();
    const { run, runner, steps } = stage({ dispatch: () => gate.promise });
    const both = [run(), run()];
    expect(runner.live).toBe(1);
    gate.resolve(answeredBy);
    const [first, second] = await Promise.all(both);
    expect(second).toEqual(first);
    expect(steps).toEqual(['open', 'dispatch', 'answer']);
    expect(runner.live).toBe(0);
  });

  it('is aborted for all by any of them', async () => {
    const sent: AbortSignal[] = [];
    const { run } = stage({
      dispatch: (input) =>
        new Promise((resolve) => {
          sent.push(input.signal);
          input.signal.addEventListener('abort', () => resolve(failedBy({}, { unknown: true })));
        }),
    });
    const leaving = new AbortController();
    const stays = run();
    const leaves = run({}, leaving.signal);
    while (sent.length === 0) await Promise.resolve();
    leaving.abort();
    expect(await stays).toMatchObject({ error: { code: 'cancelled' } });
    expect(await leaves).toMatchObject({ error: { code: 'cancelled' } });
  });

  it('runs apart for another order of the same call', async () => {
    const { run, steps } = stage({ opens: [DISPATCHED, { status: 'dispatched', lease: SECOND }] });
    await Promise.all([run(), run({ order: 2 })]);
    expect(steps.filter((step) => step === 'dispatch')).toHaveLength(2);
  });
});

describe('an answer that the provider keeps', () => {
  const BACKGROUND: Partial<AttemptOrder> = { candidate: { ...ORDER.candidate, background: true } };
  const job = (status: string, more: JsonObject = {}) => ({
    body: { id: 'resp_1', object: 'response', status, model: 'm', output: [], ...more },
  });
  const lostWord: Extract<AskResult<never>, { status: 'failed' }> = {
    status: 'failed',
    failure: { code: 'provider_unavailable', message: 'it broke', retryable: true, failOver: true },
    unknown: true,
    late: false,
  };
  const refused = (code: ProviderFailure['code'], status: number) => ({
    ...lostWord,
    failure: { ...lostWord.failure, code, status },
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
    const { run, failures } = stage({ replies: [lostWord] });
    expect(await run(BACKGROUND)).toMatchObject({ error: { code: 'outcome_unknown' }, retryable: false });
    expect(failures).toMatchObject([{ outcomeUnknown: true, charge: null }]);
  });

  it('whose start is lost is begun again with onUnknown retry, and the first stays unknown', async () => {
    const { run, failures } = stage({ replies: [lostWord] });
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
    ['cannot be reached', lostWord],
    ['is busy', refused('provider_rate_limited', 429)],
    ['refuses the key of now', refused('provider_auth', 401)],
  ])('is asked for again when the provider %s', async (_what, reply) => {
    const { runner, failures } = stage({ review: STREAMING, replies: [reply] });
    expect(await runner.collect(order)).toEqual({ status: 'pending', attempt: 1 });
    expect(failures).toEqual([]);
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
    ['cancelled', lostWord, 'cancelled', { charge: null, outcomeUnknown: true }],
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
