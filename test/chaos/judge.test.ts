/** A bar that cannot be missed says nothing: each of them is missed here by evidence made for it. */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { NO_USAGE } from '../../src/core/usage.ts';
import { TIGHT_LIMIT_NANO_USD } from './campaign-config.ts';
import { attempt, judged, nonce, request, said, submission, view, withAttempts } from './judge-scene.ts';
import { answerOf } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';
import type { Submission } from './submission.ts';

it('a call that was answered once and booked as billed meets every bar', () => {
  const { tally, faults, passed } = judged({});
  expect(faults).toEqual([]);
  expect(passed).toBe(true);
  expect(tally).toMatchObject({ accepted: 1, answered: 1, settled: 1, recoveryMs: [650] });
});

describe('a bar is missed by', () => {
  it('a call that is still open', () => {
    const open: CallView = { ...view, state: 'running', outcome: null, endedAt: null };
    expect(judged({ ledger: [open] })).toMatchObject({ passed: false, tally: { lost: 1 } });
  });

  it('a client whose key never gives it an answer', () => {
    const lost: Submission = { ...submission, end: 'nothing', status: null, text: '', mayAskAgain: true };
    expect(judged({ submissions: [lost] })).toMatchObject({ passed: false, tally: { lost: 1 } });
  });

  it('a second payment of which the ledger has no attempt', () => {
    const second = { ...request, nth: 2, billedOutputTokens: 3, outcome: 'cut' as const };
    expect(judged({ requests: [request, second] })).toMatchObject({ passed: false, tally: { silentDuplicates: 1 } });
  });

  it.each(['careful', 'background'] as const)('%s: an attempt after one whose outcome was lost', (model) => {
    const lost = { ...attempt, state: 'unknown' as const };
    const ledger = [{ ...view, attempts: [lost, { ...attempt, n: 2 }] }];
    expect(judged({ ledger, model })).toMatchObject({ passed: false, tally: { paidAgainstPolicy: 1 } });
    expect(judged({ ledger })).toMatchObject({ tally: { paidAgainstPolicy: 0 } });
  });

  it('careful: an attempt after a stream that broke, though it was charged as failed', () => {
    const broken = { ...attempt, state: 'failed' as const, costNanoUsd: '7' };
    const after = (first: typeof broken) => [{ ...view, attempts: [first, { ...attempt, n: 2 }] }];
    expect(judged({ ledger: after(broken), model: 'careful' }).tally.paidAgainstPolicy).toBe(1);
    expect(judged({ ledger: after({ ...broken, costNanoUsd: '0' }), model: 'careful' }).tally.paidAgainstPolicy).toBe(
      0,
    );
  });

  it('an unknown outcome, but where policy forbids to pay again', () => {
    const unknown: Submission = { ...submission, status: 502, text: '', end: 'error', errorCode: 'outcome_unknown' };
    expect(judged({ submissions: [unknown] })).toMatchObject({ passed: false, tally: { lost: 1 } });
    expect(judged({ submissions: [unknown], model: 'careful' })).toMatchObject({ tally: { lost: 0 } });
  });

  const refused = (errorCode: string): Submission => ({
    ...submission,
    status: 400,
    text: '',
    end: 'error',
    errorCode,
  });
  const endedAs = (code: ErrorCode, outcome: 'failed' | 'cancelled' | 'denied'): CallView => ({
    ...view,
    outcome,
    costNanoUsd: '0',
    error: { code, message: '', source: 'gateway' },
    attempts: [],
  });

  it.each([true, false])('an answer that the ledger does not have (keyed: %s)', (isKeyed) => {
    for (const ledger of [endedAs('outcome_unknown', 'failed'), endedAs('cancelled', 'cancelled')]) {
      expect(judged({ ledger: [ledger], requests: [], isKeyed })).toMatchObject({ passed: false, tally: { lost: 1 } });
    }
  });

  it('a call with a key that was cancelled, though nobody can have wanted it', () => {
    const scene = { submissions: [refused('cancelled')], requests: [], ledger: [endedAs('cancelled', 'cancelled')] };
    expect(judged(scene)).toMatchObject({ passed: false, tally: { lost: 1 } });
    const left: Submission = { ...submission, text: '', end: 'left' };
    expect(judged({ ...scene, submissions: [left], isKeyed: false })).toMatchObject({ tally: { lost: 0 } });
  });

  it('a refusal by a budget that has room', () => {
    const ledger = [endedAs('budget_exceeded', 'denied')];
    const scene = { submissions: [refused('budget_exceeded')], requests: [], ledger };
    expect(judged({ ...scene, tenant: 'open' })).toMatchObject({ passed: false, tally: { lost: 1 } });
    expect(judged(scene)).toMatchObject({ tally: { lost: 0 } });
  });

  it('a refusal that no call of the plan can have earned', () => {
    const scene = { submissions: [{ ...refused('unauthenticated'), callId: null }], requests: [], ledger: [] };
    expect(judged(scene)).toMatchObject({ passed: false, tally: { lost: 1 } });
  });

  it('a round without an answer, and kills from which nothing had to recover', () => {
    expect(judged({ submissions: [], requests: [], ledger: [], isKeyed: false })).toMatchObject({
      passed: false,
      faults: [],
    });
    const before = { ...view, endedAt: new Date(50).toISOString() };
    expect(judged({ ledger: [before] })).toMatchObject({ passed: false, faults: [], tally: { recoveryMs: [] } });
  });

  it.each(['0', '999999999'])('a cost of %s nano-USD that was reconciled and never billed', (costNanoUsd) => {
    const ledger = [withAttempts({ state: 'reconciled', costNanoUsd })];
    expect(judged({ ledger })).toMatchObject({ passed: false, tally: { costErrors: 1 } });
    expect(judged({ ledger: [withAttempts({ state: 'reconciled' })] })).toMatchObject({ tally: { costErrors: 0 } });
  });

  it('an estimate above the worst case', () => {
    const ledger = [withAttempts({ state: 'failed', pricing: 'estimated', costNanoUsd: '999999999' })];
    expect(judged({ ledger })).toMatchObject({ passed: false, tally: { costErrors: 1 } });
  });

  it('a call that is booked below its bill without an estimate', () => {
    const second = { ...request, nth: 2, outcome: 'cut' as const };
    const free = { ...attempt, state: 'failed' as const, costNanoUsd: '0' };
    const ledger = [withAttempts(attempt, free)];
    expect(judged({ requests: [request, second], ledger })).toMatchObject({ passed: false, tally: { costErrors: 1 } });
    const guessed = [withAttempts(attempt, { ...free, pricing: 'estimated' })];
    expect(judged({ requests: [request, second], ledger: guessed })).toMatchObject({
      tally: { costErrors: 0, underbooked: 1 },
    });
  });

  it('a wait of ours between two requests', () => {
    const late: CallView = { ...view, endedAt: new Date(25_000).toISOString() };
    const first = { ...request, receivedAt: 300, endedAt: 400 };
    const last = { ...request, nth: 2, receivedAt: 24_400, endedAt: 24_900 };
    const recovery = (outcome: ProviderRequest['outcome']) =>
      judged({ ledger: [late], requests: [{ ...first, outcome }, last] }).tally.recoveryMs;
    expect(recovery('whole')).toEqual([24_200]);
    // What it asked for is two seconds and a half at most; the rest is ours.
    expect(recovery('refused')).toEqual([21_700]);
  });

  it('a second payment beside an attempt that failed and was free', () => {
    const second = { ...request, nth: 2, billedOutputTokens: 3, outcome: 'cut' as const };
    const free = { ...attempt, state: 'failed' as const, costNanoUsd: '0', usage: null };
    const ledger = [{ ...view, attempts: [free, { ...attempt, n: 2 }] }];
    expect(judged({ requests: [request, second], ledger })).toMatchObject({ tally: { silentDuplicates: 1 } });
  });

  it('more billed than the hard budget has', () => {
    const billedOutputTokens = Number(TIGHT_LIMIT_NANO_USD / 7_000n);
    const dear = { ...request, nth: 2, outcome: 'cut' as const, billedOutputTokens };
    const ledger = [{ ...view, attempts: [attempt, { ...attempt, n: 2, state: 'failed' as const }] }];
    const { tally, passed } = judged({ requests: [request, dear], ledger });
    expect(passed).toBe(false);
    expect(BigInt(tally.overshootNanoUsd)).toBeGreaterThan(0n);
    expect(tally).toMatchObject({ silentDuplicates: 0, underbooked: 1 });
  });

  it('a hold that stands for nothing', () => {
    expect(judged({ heldNanoUsd: 1n })).toMatchObject({ passed: false, tally: { leakedNanoUsd: '1' } });
  });

  it('a cost that is off by one nano-USD, and a usage that nobody billed', () => {
    const costs = withAttempts({ costNanoUsd: String(BigInt(attempt.costNanoUsd) + 1n) });
    expect(judged({ ledger: [costs] })).toMatchObject({ passed: false, tally: { costErrors: 1 } });
    const counts = withAttempts({ usage: { ...NO_USAGE, inputTokens: 1, outputTokens: 1 } });
    expect(judged({ ledger: [counts] })).toMatchObject({ passed: false, tally: { costErrors: 1 } });
  });

  it.each<[string, Partial<Submission>]>([
    ['the texts of two attempts in one', { text: `${said.text} ${answerOf(nonce, 2).text}` }],
    ['a part that passes for the whole', { text: said.words.slice(0, 3).join(' ') }],
    ['a part that no attempt said', { text: 'something else', end: 'broken', mayAskAgain: true }],
    ['a stream that just ends', { text: said.words[0] ?? '', end: 'silent', mayAskAgain: true }],
  ])('%s', (_name, change) => {
    const { passed, tally } = judged({ submissions: [{ ...submission, ...change }, submission] });
    expect(passed).toBe(false);
    expect(tally.textMismatches).toBeGreaterThan(0);
  });

  it('a recovery of more than twenty seconds, without what the provider took', () => {
    const late: CallView = { ...view, endedAt: new Date(25_000).toISOString() };
    expect(judged({ ledger: [late] })).toMatchObject({ passed: false, tally: { recoveryMs: [24_800] } });
    const slow = { ...request, receivedAt: 300, endedAt: 24_900 };
    expect(judged({ ledger: [late], requests: [slow] })).toMatchObject({ passed: true, tally: { recoveryMs: [200] } });
  });
});
