import { describe, expect, it } from 'vitest';
import { HoldfastError, type ErrorRecord } from '../errors.ts';
import { CallInterruptedError, type CallPorts } from './ports.ts';
import { runCall } from './run-call.ts';
import type {
  Admission,
  AttemptOrder,
  AttemptOutcome,
  EndedAttempt,
  CallInput,
  CallResult,
  RoutePlan,
  Settlement,
} from './types.ts';

const input: CallInput = {
  callId: 'call_1',
  kind: 'chat',
  model: 'smart',
  principal: { tenant: 'acme', key: 'app', models: null },
  requestRef: 'p_request',
};

const plan: RoutePlan = {
  decisionId: 'dec_1',
  requestRef: 'p_request',
  candidates: [
    { provider: 'openai', model: 'gpt', worstCaseNanoUsd: '100' },
    { provider: 'claude', model: 'sonnet', worstCaseNanoUsd: '200' },
  ],
  first: { credential: 'env:OPENAI_API_KEY' },
  retries: { maxAttempts: 2, initialBackoffMs: 100, maxBackoffMs: 1_000, maxRetryAfterMs: 5_000 },
  timeouts: { connectMs: 1, firstTokenMs: 2, idleMs: 3, totalMs: 60_000 },
  onUnknown: 'recover',
};

const START = 1_800_000_000_000;

type Step = AttemptOutcome | Error | ((order: AttemptOrder) => AttemptOutcome);

interface WorldOptions {
  admission?: Admission | Error;
  selected?: Error;
  sleeping?: Error;
  /** What the provider says of the pending answer, in turn. */
  collected?: (AttemptOutcome | Error)[];
}

/** A world that follows a script and writes down what was asked of it. */
function world(script: Step[], options: WorldOptions = {}) {
  const collected: AttemptOrder[] = [];
  const withdrawn: string[] = [];
  const orders: AttemptOrder[] = [];
  const summaries: string[] = [];
  const sleeps: number[] = [];
  const settlements: Settlement[] = [];
  const selected: string[] = [];
  let now = START;
  const ports: CallPorts = {
    admit: () => orThrow(options.admission ?? { allowed: true, plan }),
    selectCredential(_callId, { provider }) {
      selected.push(provider);
      return orThrow(options.selected ?? { credential: `secret:${provider}` });
    },
    execute(order, summary) {
      orders.push(order);
      summaries.push(summary);
      const step = script[orders.length - 1];
      if (step === undefined) throw new Error('the script has ended');
      return orThrow(typeof step === 'function' ? step(order) : step);
    },
    collect(order) {
      collected.push(order);
      return orThrow(options.collected?.[collected.length - 1] ?? answered());
    },
    withdraw(order, reason) {
      withdrawn.push(`${String(order.order)} ${reason}`);
      return orThrow(failed(reason === 'cancelled' ? 'cancelled' : 'provider_timeout', { late: true }));
    },
    settle(settlement) {
      settlements.push(settlement);
      return Promise.resolve({
        ...settlement,
        provider: null,
        model: null,
        attempts: orders.length,
        costNanoUsd: '0',
        pricing: 'priced',
      });
    },
    sleep(ms) {
      sleeps.push(ms);
      now += ms;
      return options.sleeping ? Promise.reject(options.sleeping) : Promise.resolve();
    },
    now: () => now,
    random: () => 0.5,
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { ports, orders, summaries, sleeps, settlements, selected, collected, withdrawn, pass };
}

function orThrow<T>(value: T | Error): Promise<T> {
  return value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
}

const answered = (attempt = 1): AttemptOutcome => ({ status: 'answered', attempt, result: resultOf(attempt) });

const resultOf = (attempts: number): CallResult => ({
  callId: 'call_1',
  outcome: 'succeeded',
  answerRef: `p_answer_${attempts}`,
  error: null,
  provider: 'openai',
  model: 'gpt',
  attempts,
  costNanoUsd: '42',
  pricing: 'priced',
});

function failed(
  code: ErrorRecord['code'],
  extra: Partial<Extract<AttemptOutcome, { status: 'failed' }>> & { retryAfterMs?: number } = {},
): EndedAttempt {
  const { retryAfterMs, ...rest } = extra;
  return {
    status: 'failed',
    attempt: 1,
    error: { code, message: code, source: 'provider', ...(retryAfterMs !== undefined && { retryAfterMs }) },
    retryable: true,
    failOver: true,
    delivered: false,
    ...rest,
  };
}

describe('a call', () => {
  it('ends with the answer of the first attempt, which its record has settled, and asks nothing more', async () => {
    const { ports, orders, settlements, selected, sleeps } = world([answered()]);
    expect(await runCall(input, ports)).toEqual(resultOf(1));
    expect(settlements).toEqual([]);
    expect(orders).toEqual([
      {
        callId: 'call_1',
        tenant: 'acme',
        key: 'app',
        requestRef: 'p_request',
        order: 1,
        candidate: plan.candidates[0],
        credential: 'env:OPENAI_API_KEY',
        timeouts: plan.timeouts,
        deadlineAt: START + 60_000,
        onUnknown: 'recover',
      },
    ]);
    expect({ selected, sleeps }).toEqual({ selected: [], sleeps: [] });
  });

  it('settles a denial without an attempt', async () => {
    const error: ErrorRecord = { code: 'budget_exceeded', message: 'no', source: 'gateway' };
    const { ports, orders, settlements } = world([], { admission: { allowed: false, decisionId: 'dec_2', error } });
    await runCall(input, ports);
    expect(orders).toHaveLength(0);
    expect(settlements).toEqual([{ callId: 'call_1', outcome: 'denied', answerRef: null, error }]);
  });

  it('waits out a Retry-After on the same candidate, never less than asked', async () => {
    const { ports, orders, sleeps } = world([failed('provider_rate_limited', { retryAfterMs: 2_000 }), answered(2)]);
    await runCall(input, ports);
    expect(sleeps).toEqual([2_200]);
    expect(orders.map(({ order, candidate }) => [order, candidate.provider])).toEqual([
      [1, 'openai'],
      [2, 'openai'],
    ]);
  });

  it('backs off exponentially, up to the maximum, where the provider names no time', async () => {
    const three = { ...plan, retries: { ...plan.retries, maxAttempts: 6, maxBackoffMs: 500 } };
    const failures = Array.from({ length: 5 }, () => failed('provider_unavailable'));
    const { ports, sleeps } = world([...failures, answered(6)], { admission: { allowed: true, plan: three } });
    await runCall(input, ports);
    expect(sleeps).toEqual([100, 200, 400, 500, 500]);
  });

  it('fails over at once when the Retry-After is beyond its patience', async () => {
    const { ports, orders, sleeps, selected } = world([
      failed('provider_rate_limited', { retryAfterMs: 5_001 }),
      answered(2),
    ]);
    const result = await runCall(input, ports);
    expect(result.outcome).toBe('succeeded');
    expect(sleeps).toEqual([]);
    expect(selected).toEqual(['claude']);
    expect(orders[1]).toMatchObject({ order: 2, candidate: plan.candidates[1], credential: 'secret:claude' });
  });

  it('fails over after the last try on a candidate', async () => {
    const { ports, orders, summaries } = world([
      failed('provider_unavailable', { attempt: 1 }),
      failed('provider_unavailable', { attempt: 2 }),
      answered(3),
    ]);
    await runCall(input, ports);
    expect(orders.map(({ candidate }) => candidate.provider)).toEqual(['openai', 'openai', 'claude']);
    expect(summaries).toEqual([
      'openai/gpt',
      'openai/gpt attempt 1 -> provider_unavailable, again',
      'openai/gpt attempt 2 -> provider_unavailable, next claude/sonnet',
    ]);
  });

  it('does not try again what another candidate only could do better', async () => {
    const { ports, orders } = world([failed('provider_auth', { retryable: false }), answered(2)]);
    await runCall(input, ports);
    expect(orders.map(({ candidate }) => candidate.provider)).toEqual(['openai', 'claude']);
  });

  it('ends at once on a failure that no attempt can mend', async () => {
    const { ports, orders, settlements } = world([failed('provider_rejected', { retryable: false, failOver: false })]);
    await runCall(input, ports);
    expect(orders).toHaveLength(1);
    expect(settlements[0]).toMatchObject({ outcome: 'failed', error: { code: 'provider_rejected' } });
  });

  it('never follows delivered text with another attempt', async () => {
    const { ports, orders, settlements } = world([failed('provider_unavailable', { delivered: true })]);
    await runCall(input, ports);
    expect(orders).toHaveLength(1);
    expect(settlements[0]).toMatchObject({ outcome: 'failed', error: { code: 'provider_unavailable' } });
  });

  it('follows delivered text with another attempt where the caller takes it back', async () => {
    const { ports, orders } = world([failed('provider_unavailable', { delivered: true }), answered(2)], {
      admission: { allowed: true, plan: { ...plan, restartsStreams: true } },
    });
    expect(await runCall(input, ports)).toMatchObject({ outcome: 'succeeded' });
    expect(orders).toHaveLength(2);
  });

  it('lists every attempt when all candidates failed', async () => {
    const script = [
      failed('provider_unavailable', { attempt: 1 }),
      failed('provider_timeout', { attempt: 2 }),
      failed('provider_auth', { attempt: 3, retryable: false }),
    ];
    const { ports, settlements } = world(script);
    await runCall(input, ports);
    expect(settlements[0]?.error).toEqual({
      code: 'all_candidates_failed',
      message:
        'Every candidate failed: openai/gpt attempt 1 -> provider_unavailable, openai/gpt attempt 2 -> provider_timeout, claude/sonnet attempt 3 -> provider_auth.',
      source: 'provider',
      details: {
        attempts: [
          { attempt: 1, candidate: 'openai/gpt', code: 'provider_unavailable' },
          { attempt: 2, candidate: 'openai/gpt', code: 'provider_timeout' },
          { attempt: 3, candidate: 'claude/sonnet', code: 'provider_auth' },
        ],
      },
    });
  });

  it('tells the shortest Retry-After when every candidate was rate limited', async () => {
    const limited = (retryAfterMs: number) => failed('provider_rate_limited', { retryAfterMs });
    const { ports, settlements } = world([limited(60_000), limited(30_000)]);
    await runCall(input, ports);
    expect(settlements[0]?.error).toMatchObject({ code: 'provider_rate_limited', retryAfterMs: 30_000 });
  });

  it("gives a lone candidate's own error", async () => {
    const alone = { ...plan, candidates: plan.candidates.slice(0, 1), retries: { ...plan.retries, maxAttempts: 1 } };
    const { ports, settlements } = world([failed('provider_timeout')], { admission: { allowed: true, plan: alone } });
    await runCall(input, ports);
    expect(settlements[0]?.error).toMatchObject({ code: 'provider_timeout', details: { attempts: [{ attempt: 1 }] } });
  });

  it('keeps one deadline over all its attempts', async () => {
    const { ports, orders, pass } = world([
      () => {
        pass(10_000);
        return failed('provider_unavailable');
      },
      answered(2),
    ]);
    await runCall(input, ports);
    expect(orders.map(({ deadlineAt }) => deadlineAt)).toEqual([START + 60_000, START + 60_000]);
  });

  it('ends as timed out when an attempt says that the deadline has passed, whatever could follow', async () => {
    const { ports, orders, settlements } = world([failed('provider_timeout', { late: true })]);
    await runCall(input, ports);
    expect(orders).toHaveLength(1);
    expect(settlements).toMatchObject([{ outcome: 'timed_out', error: { code: 'provider_timeout' } }]);
  });

  it('orders nothing after its deadline', async () => {
    const { ports, orders, settlements, pass } = world([
      () => {
        pass(60_000);
        return failed('provider_unavailable', { retryable: false });
      },
    ]);
    await runCall(input, ports);
    expect(orders).toHaveLength(1);
    expect(settlements).toMatchObject([{ outcome: 'timed_out' }]);
  });

  it('does not begin a wait that would outlast the call, and turns to the next candidate', async () => {
    const { ports, orders, sleeps, pass } = world([
      () => {
        pass(58_000);
        return failed('provider_rate_limited', { retryAfterMs: 2_000 });
      },
      answered(2),
    ]);
    await runCall(input, ports);
    expect(sleeps).toEqual([]);
    expect(orders.map(({ candidate }) => candidate.provider)).toEqual(['openai', 'claude']);
  });

  for (const [reason, outcome, code] of [
    ['cancelled', 'cancelled', 'cancelled'],
    ['deadline', 'timed_out', 'provider_timeout'],
  ] as const) {
    const interrupted = new CallInterruptedError(reason);
    for (const [where, make] of [
      ['the admission', () => world([], { admission: interrupted })],
      ['an attempt', () => world([interrupted])],
      ['a wait', () => world([failed('provider_unavailable')], { sleeping: interrupted })],
      [
        'the credential selection',
        () => world([failed('provider_auth', { retryable: false })], { selected: interrupted }),
      ],
    ] as const) {
      it(`settles as ${outcome} when interrupted (${reason}) in ${where}`, async () => {
        const { ports, settlements } = make();
        await runCall(input, ports);
        expect(settlements).toHaveLength(1);
        expect(settlements[0]).toMatchObject({ outcome, answerRef: null, error: { code } });
      });
    }
  }

  it('settles as cancelled when the attempt says that it was', async () => {
    const { ports, settlements } = world([failed('cancelled', { retryable: false, failOver: false })]);
    await runCall(input, ports);
    expect(settlements[0]).toMatchObject({ outcome: 'cancelled' });
  });

  it('settles a failed step of the engine with its own code', async () => {
    const { ports, settlements } = world([new HoldfastError('engine_unavailable', 'the ledger is gone')]);
    await runCall(input, ports);
    expect(settlements[0]).toMatchObject({ outcome: 'failed', error: { code: 'engine_unavailable' } });
  });

  it('passes a defect on unsettled, so that fixed code can take the call up again', async () => {
    const { ports, settlements } = world([new TypeError('a bug')]);
    await expect(runCall(input, ports)).rejects.toThrow('a bug');
    expect(settlements).toHaveLength(0);
  });
});

describe('a call whose provider keeps the answer', () => {
  const pending: AttemptOutcome = { status: 'pending', attempt: 1 };

  it('asks for it at growing intervals until it is there', async () => {
    const { ports, orders, collected, sleeps, settlements } = world([pending], { collected: [pending, pending] });
    expect(await runCall(input, ports)).toEqual(resultOf(1));
    expect(sleeps).toEqual([450, 900, 1_800]);
    expect(collected).toEqual([orders[0], orders[0], orders[0]]);
    expect(settlements).toEqual([]);
  });

  it('never waits longer than half a minute, nor past its deadline', async () => {
    const { ports, sleeps, withdrawn, settlements } = world([pending], {
      collected: Array<AttemptOutcome>(50).fill(pending),
    });
    await runCall(input, ports);
    expect(Math.max(...sleeps)).toBeLessThanOrEqual(30_000);
    expect(sleeps.reduce((sum, ms) => sum + ms)).toBe(plan.timeouts.totalMs);
    expect(withdrawn).toEqual(['1 deadline']);
    expect(settlements).toMatchObject([{ outcome: 'timed_out' }]);
  });

  it('ends with an answer that was there when its order was taken back at the deadline', async () => {
    const { ports, settlements } = world([pending], { collected: Array<AttemptOutcome>(50).fill(pending) });
    expect(await runCall(input, { ...ports, withdraw: () => Promise.resolve(answeredAtLast) })).toEqual(resultOf(1));
    expect(settlements).toEqual([]);
  });
  const answeredAtLast: EndedAttempt = { status: 'answered', attempt: 1, result: resultOf(1) };

  it('fails over when the provider says that it failed', async () => {
    const { ports, selected } = world([pending, answered(2)], {
      collected: [failed('provider_unavailable', { retryable: false, failOver: true })],
    });
    expect(await runCall(input, ports)).toEqual(resultOf(2));
    expect(selected).toEqual(['claude']);
  });

  const background: RoutePlan = {
    ...plan,
    candidates: plan.candidates.map((candidate) => ({ ...candidate, background: true })),
  };
  const lost = new HoldfastError('outcome_unknown', 'The worker of the last attempt was lost, again and again.');

  it('is asked for when the workers that followed its stream were lost again and again: the provider works on', async () => {
    const { ports, collected, settlements } = world([lost], { admission: { allowed: true, plan: background } });
    expect(await runCall(input, ports)).toEqual(resultOf(1));
    expect(collected).toHaveLength(1);
    expect(settlements).toEqual([]);
  });

  it('is not asked for where the provider does not work in the background: that its outcome is unknown ends the call', async () => {
    const { ports, collected, settlements } = world([lost]);
    await runCall(input, ports);
    expect(collected).toEqual([]);
    expect(settlements).toMatchObject([{ outcome: 'failed', error: { code: 'outcome_unknown' } }]);
  });

  it.each([
    ['cancelled', []],
    ['deadline', [{ outcome: 'timed_out' }]],
  ] as const)('is taken back when its start is interrupted: %s', async (reason, settled) => {
    const { ports, withdrawn, settlements } = world([new CallInterruptedError(reason)], {
      admission: { allowed: true, plan: background },
    });
    await runCall(input, ports);
    expect(withdrawn).toEqual([`1 ${reason}`]);
    expect(settlements).toMatchObject(settled.length > 0 ? settled : [{ outcome: 'cancelled' }]);
  });

  it('still ends as it was interrupted when its order cannot be taken back', async () => {
    const gone = new HoldfastError('not_found', 'no such provider');
    const { ports, settlements } = world([pending], { sleeping: new CallInterruptedError('cancelled') });
    await runCall(input, { ...ports, withdraw: () => Promise.reject(gone) });
    expect(settlements).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it.each([
    ['in a wait', { sleeping: new CallInterruptedError('cancelled') }],
    ['in a question', { collected: [new CallInterruptedError('cancelled')] }],
  ])('is cancelled %s: the order is taken back before the call is settled', async (_where, options) => {
    const { ports, withdrawn, settlements } = world([pending], options);
    await runCall(input, ports);
    expect(withdrawn).toEqual(['1 cancelled']);
    expect(settlements).toMatchObject([{ outcome: 'cancelled' }]);
  });
});
