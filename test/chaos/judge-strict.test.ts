/** Defects that look like good behaviour from far: each bill pays once, each client has its end, no wait is left out. */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { attempt, judged, request, submission, view, withAttempts } from './judge-scene.ts';
import type { FaultKind } from './plan.ts';
import type { Submission } from './submission.ts';

describe('money', () => {
  it.each<[string, CallView]>([
    ['two answers that settled on one bill', withAttempts({}, {})],
    ['a lost attempt that was reconciled at the bill of another', withAttempts({ state: 'reconciled' }, {})],
    ['a failed attempt with a price that nobody billed', withAttempts({}, { state: 'failed' })],
    ['a call that costs more than its attempts', { ...view, costNanoUsd: String(50n * BigInt(view.costNanoUsd)) }],
  ])('%s', (_name, call) => {
    const { passed, tally } = judged({ ledger: [call] });
    expect(passed).toBe(false);
    expect(tally.costErrors).toBeGreaterThan(0);
  });

  it('is right where an attempt that failed was billed', () => {
    const cut = { ...request, nth: 2, outcome: 'cut' as const };
    const ledger = [withAttempts({ state: 'failed' }, {})];
    expect(judged({ requests: [request, cut], ledger, tenant: 'open' }).faults).toEqual([]);
  });
});

it('a lost attempt that never left does not pay for a second request of another', () => {
  const at = (ms: number) => new Date(ms).toISOString();
  const lost = {
    state: 'unknown',
    startedAt: at(5),
    endedAt: at(300),
    costNanoUsd: '0',
    pricing: 'estimated',
  } as const;
  const ledger = [withAttempts(lost, { startedAt: at(9_000) })];
  const [first, second] = [9_010, 9_020].map((receivedAt, index) => ({ ...request, nth: index + 1, receivedAt }));
  if (!first || !second) throw new Error('two requests');
  expect(judged({ requests: [first, second], ledger }).tally.silentDuplicates).toBe(1);
  expect(judged({ requests: [{ ...first, receivedAt: 10 }, second], ledger }).tally.silentDuplicates).toBe(0);
});

describe('the end of a call', () => {
  const refused = (status: number, errorCode: string): Submission => ({
    ...submission,
    status,
    text: '',
    end: 'error',
    errorCode,
  });
  const endedAs = (code: ErrorCode): CallView => ({
    ...withAttempts(),
    outcome: 'failed',
    error: { code, message: '', source: 'gateway' },
  });

  it('cancelled is only for a client that has gone', () => {
    const scene = { requests: [], ledger: [endedAs('cancelled')], isKeyed: false };
    expect(judged({ ...scene, submissions: [refused(499, 'cancelled')] }).tally.lost).toBe(1);
    expect(judged({ ...scene, submissions: [{ ...submission, end: 'left', text: '' }] }).tally.lost).toBe(0);
  });

  it.each([
    [422, 'idempotency_conflict'],
    [404, 'not_found'],
  ])('is not %i for one client of a key of which another has the answer', (status, code) => {
    const other = { ...refused(status, code), client: 1 };
    expect(judged({ submissions: [submission, other] }).tally.lost).toBe(1);
    expect(judged({ submissions: [{ ...other, client: 0, mayAskAgain: true }, submission] }).tally.lost).toBe(0);
  });

  it('is another one for a client of a key than for the next, only where it was denied before', () => {
    const denied = (createdAt: number): CallView => ({
      ...view,
      id: 'call-0',
      outcome: 'denied',
      createdAt: new Date(createdAt).toISOString(),
      costNanoUsd: '0',
      error: endedAs('budget_exceeded').error,
      attempts: [],
    });
    const told = { ...refused(402, 'budget_exceeded'), client: 1, callId: 'call-0' };
    expect(judged({ ledger: [view, denied(0)], submissions: [told, submission] }).faults).toEqual([]);
    expect(judged({ ledger: [denied(500), view], submissions: [told, submission] }).tally.lost).toBe(1);
    const failed = { ...denied(0), outcome: 'failed' as const };
    expect(judged({ ledger: [failed, view], submissions: [told, submission] }).tally.lost).toBe(1);
  });

  it("is not the provider's fault when nothing disturbed it", () => {
    const ledger = [endedAs('provider_timeout')];
    const scene = { submissions: [refused(504, 'provider_timeout')], requests: [], ledger, faults: [], hits: [] };
    expect(judged(scene).tally.lost).toBe(1);
    const free = { ...request, isDisturbed: true, billedInputTokens: 0, billedOutputTokens: 0 };
    expect(judged({ ...scene, requests: [free] }).tally.lost).toBe(0);
  });

  it.each([true, false])('is not a failure without an id (keyed: %s)', (isKeyed) => {
    const scene = { requests: [], ledger: [], isKeyed };
    const failed = { ...refused(500, 'internal'), callId: null, isKeyed };
    expect(judged({ ...scene, submissions: [failed] }).tally.lost).toBe(1);
    const unavailable = { ...failed, status: 503, errorCode: 'engine_unavailable' };
    expect(judged({ requests: [], ledger: [], isKeyed: false, submissions: [unavailable] }).tally.lost).toBe(0);
  });

  it('careful: the next call of a key may not pay after a lost attempt, unless its client was invited', () => {
    const lost = withAttempts({ state: 'unknown', costNanoUsd: '0', pricing: 'estimated' });
    const first = (code: ErrorCode): CallView => ({ ...lost, id: 'call-0', error: endedAs(code).error });
    const again = { ...view, createdAt: new Date(500).toISOString() };
    const told = { ...refused(503, 'engine_unavailable'), callId: 'call-0', mayAskAgain: true };
    const against = (code: ErrorCode, submissions: Submission[]) =>
      judged({ model: 'careful', ledger: [again, first(code)], submissions }).tally.paidAgainstPolicy;
    expect(against('outcome_unknown', [told, submission])).toBe(1);
    expect(against('engine_unavailable', [submission])).toBe(1);
    expect(against('engine_unavailable', [told, submission])).toBe(0);
  });
});

describe('a recovery', () => {
  const hit = (at: number) => ({ at, restartedAt: at + 100, kills: 1, noticedAfterMs: null });
  const recovery = (second: FaultKind, node: number, nodes: number, attempts = [attempt]) =>
    judged({
      nodes,
      faults: [
        { kind: 'kill-node', atMs: 1, node: 0 },
        { kind: second, atMs: 1, node },
      ],
      hits: [hit(100), hit(12_000)],
      ledger: [{ ...view, attempts, endedAt: new Date(60_000).toISOString() }],
    }).tally.recoveryMs;

  it.each<[FaultKind, number, number, number]>([
    ['terminate', 0, 1, 59_800],
    ['kill-node', 0, 1, 47_900],
    ['kill-redis', 0, 2, 59_800],
    ['kill-server', 0, 2, 47_900],
    ['kill-node', 0, 2, 59_800],
    ['kill-node', 1, 2, 47_900],
  ])('with %s of node %i later, of %i nodes, took %i ms', (kind, node, nodes, ms) => {
    expect(recovery(kind, node, nodes)).toEqual([ms]);
  });

  it('begins anew where the same node had taken the call up again', () => {
    const lost = { ...attempt, state: 'unknown' as const, startedAt: new Date(11_000).toISOString() };
    expect(recovery('kill-node', 0, 2, [lost, attempt])).toEqual([47_900]);
  });
});
