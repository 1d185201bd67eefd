import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../core/errors.ts';
import type { OpenAttemptResult } from '../core/ports/ledger/attempts.ts';
import type { AttemptState } from '../core/ports/ledger/views.ts';
import type { DispatchInput, DispatchResult } from '../providers/dispatch/dispatcher.ts';
import { providerAdapters } from '../providers/registry.ts';
import {
  ORDER,
  ANSWER,
  CHARGE,
  ENDED_CALL,
  LEASE,
  SECOND,
  DISPATCHED,
  INTERRUPTED,
  answeredBy,
  failedBy,
  stage,
} from './attempt-stage.ts';

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

  const cut = failedBy({}, { unknown: true, partial: ANSWER, firstTokenAt: 42 });

  it('in the middle of a stream keeps the hold: the provider may bill the rest as well', async () => {
    const { run, failures } = stage({ dispatch: () => Promise.resolve(cut) });
    expect(await run()).toMatchObject({ error: { code: 'provider_unavailable' }, retryable: true });
    expect(failures[0]).toMatchObject({ charge: null, outcomeUnknown: true, firstTokenAt: 42 });
  });

  it('in the middle of a stream is final with onUnknown fail, whatever came of it', async () => {
    const { run, failures } = stage({ dispatch: () => Promise.resolve(cut) });
    expect(await run({ onUnknown: 'fail' })).toMatchObject({
      error: { code: 'outcome_unknown' },
      retryable: false,
      failOver: false,
    });
    expect(failures).toMatchObject([{ charge: null, outcomeUnknown: true, firstTokenAt: 42 }]);
  });

  it('that the provider said in the middle of a stream is charged for what came', async () => {
    const verdict = failedBy({ status: 529 }, { partial: ANSWER, firstTokenAt: 42 });
    const { run, failures } = stage({ dispatch: () => Promise.resolve(verdict) });
    expect(await run()).toMatchObject({ retryable: true });
    expect(failures[0]).toMatchObject({ charge: CHARGE, outcomeUnknown: false });
  });

  it('in the middle of a stream that our own cancel caused is charged for what came', async () => {
    const controller = new AbortController();
    const { run, failures } = stage({
      dispatch() {
        controller.abort();
        return Promise.resolve(cut);
      },
    });
    expect(await run({}, controller.signal)).toMatchObject({ error: { code: 'cancelled' }, retryable: false });
    expect(failures[0]).toMatchObject({ charge: CHARGE, outcomeUnknown: false });
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
