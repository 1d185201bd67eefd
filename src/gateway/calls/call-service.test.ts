/** The start of a call when the engine's answer is lost, and what a repeated key takes. Real ledger, an engine that lies. */
import { expect, it, onTestFinished, vi } from 'vitest';
import type { CallInput } from '../../core/call/types.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AcceptInput } from '../../core/ports/ledger/calls.ts';
import { HoldfastError } from '../../core/errors.ts';
import { openaiChatDoor } from '../../providers/openai/door.ts';
import { createMemoryStreamBus } from '../../stores/memory/stream-bus.ts';
import { createMemoryHotState } from '../../stores/memory/hot-state.ts';
import { acceptInput, allowed, answerOf, dispatched, openInput } from '../../stores/contract/fixture.ts';
import { temporaryLedger } from '../../stores/sqlite/temporary-ledger.ts';
import type { CallEngine } from './call-engine.ts';
import { createOrphans } from './orphans.ts';
import { createPlaceKeeper } from './place-keeper.ts';
import { createCallService, type StartCall } from './call-service.ts';

const peers = { isGone: (node: string) => Promise.resolve(node === 'dead') };
const fail = (error: unknown) => expect.unreachable(String(error));

interface Faults {
  stateInEngine?: 'running' | 'closed' | 'away';
  /** Names of the methods of the ledger, of the store of answers and of the engine that fail once. */
  failing?: Set<string>;
  /** Of the policy, for every caller. */
  refusal?: HoldfastError;
  beforeDecided?: (ledger: Ledger) => Promise<unknown>;
  /** Before a call is settled. */
  beforeSettle?: (callId: string) => Promise<unknown>;
}

async function stage(start: (input: CallInput) => Promise<boolean>, faults: Faults = {}) {
  const { stateInEngine = 'running', failing = new Set<string>(), beforeDecided, beforeSettle } = faults;
  const { ledger, payloads, clock } = await temporaryLedger();
  const bus = createMemoryStreamBus();
  let ids = 0;
  const accepted: AcceptInput[] = [];
  const cancelled: string[] = [];
  const errors: unknown[] = [];
  const unlessFailing = async <T>(name: string, run: () => Promise<T>) => {
    if (failing.delete(name)) throw new HoldfastError('engine_unavailable', `it is away: ${name}`);
    return run();
  };
  const engine: CallEngine = {
    start,
    cancel(callId) {
      cancelled.push(callId);
      if (stateInEngine === 'away') return unavailable();
      return unlessFailing('cancel', () => Promise.resolve(stateInEngine === 'running'));
    },
    handOn: () => Promise.resolve(false),
    stateOf: () => (stateInEngine === 'away' ? unavailable() : Promise.resolve(stateInEngine)),
  };
  const calls = createCallService({
    ledger: {
      ...ledger,
      accept(input) {
        accepted.push(input);
        return ledger.accept(input);
      },
      async settle(settlement, options) {
        await beforeSettle?.(settlement.callId);
        return unlessFailing('settle', () => ledger.settle(settlement, options));
      },
      giveOwed: (...given) => unlessFailing('giveOwed', () => ledger.giveOwed(...given)),
      leaveOwed: (...given) => unlessFailing('leaveOwed', () => ledger.leaveOwed(...given)),
    },
    payloads: { ...payloads, get: (ref) => unlessFailing('get', () => payloads.get(ref)) },
    bus,
    engine,
    orphans: createOrphans({ ledger, peers, engine, door: 'here', now: () => clock.now }),
    door: 'here',
    endWatch: { add: () => () => undefined, stop: () => undefined },
    places: createPlaceKeeper({ hot: createMemoryHotState(), ledger, onError: fail }),
    scopesOf: () => [
      { scope: 'tenant:acme', limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: 1 } },
    ],
    prepare: (request) => request,
    prepareTags: (_tenant, tags) => tags,
    decide: async () => {
      await beforeDecided?.(ledger);
      const { refusal } = faults;
      const admission = refusal ? { allowed: false as const, decisionId: 'd', error: refusal.toRecord() } : allowed;
      return { admission, worstCaseNanoUsd: 1_000n, budgets: [] };
    },
    refusalOf: () => Promise.resolve(faults.refusal ?? null),
    estimateTokens: () => 1,
    hashBody: (_tenant, body) => JSON.stringify(body),
    hashRepeat: (...asked) => JSON.stringify(asked),
    newCallId: () => `call_${String(ids++)}`,
    deriveCallId: (_tenant, key, generation) => `call_${key}_${String(generation)}`,
    idempotencyTtlMs: 60_000,
    payloadTtlMs: 60_000,
    onError: (error) => errors.push(error),
  });
  const request: StartCall = {
    caller: { tenant: 'acme', key: 'app', models: null, roles: ['caller'] },
    kind: 'chat',
    door: openaiChatDoor,
    body: { model: 'smart', messages: [{ role: 'user', content: 'hi' }] },
    headers: {},
    idempotencyKey: 'k',
    tags: {},
  };
  return { calls, ledger, clock, bus, request, accepted, cancelled, errors };
}

const unavailable = (): Promise<never> => Promise.reject(new HoldfastError('engine_unavailable', 'no answer in time'));

it('a start that failed with nothing dispatched ends the call, frees its place, and lets the key try again', async () => {
  const { calls, ledger, bus, request } = await stage(unavailable);
  await expect(calls.start(request)).rejects.toMatchObject({ code: 'engine_unavailable' });
  expect(await ledger.getCall('call_k_1')).toMatchObject({ state: 'ended', attempts: [] });
  expect(await ledger.openAttempt(openInput('call_k_1'))).toEqual({ status: 'ended' });
  await expect(calls.start(request)).rejects.toMatchObject({ code: 'engine_unavailable' });
  expect(await ledger.getCall('call_k_2')).toMatchObject({ state: 'ended' });
  expect(bus.channels).toBe(0);
});

it('a start that failed where the ledger cannot say so either leaves nothing that waits for the call', async () => {
  const { calls, ledger, bus, request } = await stage(async () => {
    await ledger.close();
    return unavailable();
  });
  await expect(calls.start(request)).rejects.toThrow(/destroyed/);
  expect(bus.channels).toBe(0);
});

it('a start whose answer was lost after the call had dispatched is followed to its answer, not paid for again', async () => {
  const stand = await stage(async (input) => {
    const opened = await stand.ledger.openAttempt(openInput(input.callId));
    if (opened.status !== 'dispatched') throw new Error(opened.status);
    await stand.ledger.recordAnswer(answerOf(opened.lease));
    return unavailable();
  });
  const started = await stand.calls.start(stand.request);
  const call = await stand.ledger.getCall(started.callId);
  expect(call).toMatchObject({ state: 'ended', outcome: 'succeeded', attempts: [{ state: 'settled' }] });
  const again = await stand.calls.start(stand.request);
  expect(again).toMatchObject({ callId: started.callId, isNew: false });
});

it('an id of which the engine still has an older call starts nothing, says so, and gives its key the next id', async () => {
  const taken = await stage((input) => Promise.resolve(input.callId !== 'call_k_1'), { stateInEngine: 'closed' });
  await expect(taken.calls.start(taken.request)).rejects.toMatchObject({ code: 'engine_unavailable', retryAfterMs: 0 });
  expect(await taken.ledger.getCall('call_k_1')).toMatchObject({ state: 'ended', outcome: 'failed', attempts: [] });
  expect(await taken.calls.start(taken.request)).toMatchObject({ callId: 'call_k_2', isNew: true });
});

it('a call that ended before its start was answered is followed to that end, with or without an attempt', async () => {
  const stand = await stage(
    async ({ callId }) => {
      await stand.ledger.settle({ callId, outcome: 'denied', answerRef: null, error: denial });
      return false;
    },
    { stateInEngine: 'closed' },
  );
  const denial = { code: 'budget_exceeded', message: 'full', source: 'gateway' } as const;
  expect(await stand.calls.start(stand.request)).toMatchObject({ callId: 'call_k_1', isNew: true });
  expect(await stand.ledger.getCall('call_k_1')).toMatchObject({ outcome: 'denied' });
});

it('a call that the engine does not have yet is cancelled in the ledger, and dispatches nothing when it comes there', async () => {
  const starting = Promise.withResolvers<boolean>();
  const begun = Promise.withResolvers<undefined>();
  const { calls, ledger, request } = await stage(
    () => {
      begun.resolve(undefined);
      return starting.promise;
    },
    { stateInEngine: 'closed' },
  );
  const start = calls.start(request);
  await begun.promise;
  await calls.cancel('call_k_1');
  starting.resolve(true);
  expect(await calls.waitForEnd((await start).callId, AbortSignal.timeout(5_000))).toMatchObject({
    outcome: 'cancelled',
    attempts: [],
  });
  expect(await ledger.openAttempt(openInput('call_k_1'))).toEqual({ status: 'ended' });
});

it('a cancel that crosses the start of its call on another node is asked for once more, where the call is now', async () => {
  const { calls, ledger, request, cancelled } = await stage(() => Promise.resolve(true), {
    stateInEngine: 'closed',
    beforeSettle: (callId) => dispatched(ledger, openInput(callId)),
  });
  await calls.start(request);
  await calls.cancel('call_k_1');
  expect(await ledger.getCall('call_k_1')).toMatchObject({ state: 'running' });
  expect(cancelled).toEqual(['call_k_1', 'call_k_1']);
});

it('a call of which nothing has left is cancelled in the ledger while the engine is away', async () => {
  const { calls, ledger, request } = await stage(() => Promise.resolve(true), { stateInEngine: 'away' });
  const { callId } = await calls.start(request);
  await calls.cancel(callId);
  expect(await calls.waitForEnd(callId, AbortSignal.timeout(5_000))).toMatchObject({ outcome: 'cancelled' });
  // The workflow goes on when the engine is back.
  expect(await ledger.openAttempt(openInput(callId))).toEqual({ status: 'ended' });
});

it('a cancel while the engine is away is taken where the attempt was stopped, and refused where it may go on', async () => {
  const { calls, ledger, bus, request } = await stage(() => Promise.resolve(true), { stateInEngine: 'away' });
  const { callId } = await calls.start(request);
  const lease = await dispatched(ledger, openInput(callId));
  await expect(calls.cancel(callId)).rejects.toMatchObject({ code: 'engine_unavailable' });
  expect(await ledger.getCall(callId)).toMatchObject({ state: 'running', attempts: [{ state: 'dispatched' }] });
  // Whoever runs the attempt is told, now or when it listens, and records that it stopped.
  await new Promise<void>((resolve) => bus.onCancel(callId, resolve));
  const error = { code: 'cancelled', message: 'stopped', source: 'gateway' } as const;
  const failure = { error, retryable: false, failOver: false, delivered: false };
  await ledger.recordFailure({ lease, failure, outcomeUnknown: true, charge: null, firstTokenAt: null });
  await calls.cancel(callId);
  // What is recorded is what the engine will be told of it.
  expect(await ledger.openAttempt(openInput(callId))).toMatchObject({ status: 'failed', failure: { error } });
});

it('a repeated key attaches at the concurrency limit; another call is refused', async () => {
  const { calls, request } = await stage(() => Promise.resolve(true));
  const first = await calls.start(request);
  expect(await calls.start(request)).toMatchObject({ callId: first.callId, isNew: false });
  await expect(calls.start({ ...request, idempotencyKey: 'other' })).rejects.toMatchObject({ code: 'rate_limited' });
});

it('a caller that is denied does not join a call that its key came to stand for meanwhile', async () => {
  const { calls, request } = await stage(() => Promise.resolve(true), {
    refusal: new HoldfastError('permission_denied', 'not this model'),
    async beforeDecided(ledger) {
      const idempotency = { key: 'k', bodyHash: JSON.stringify(request.body), ttlMs: 60_000 };
      expect(await ledger.accept(acceptInput('other', { idempotency }))).toMatchObject({ status: 'accepted' });
    },
  });
  await expect(calls.start(request)).rejects.toMatchObject({ code: 'permission_denied', message: 'not this model' });
});

/** A request without a key, and the mark under which its call is found by a repeat. */
async function keylessStage(
  start: (input: CallInput) => Promise<boolean> = () => Promise.resolve(true),
  faults?: Faults,
) {
  const stand = await stage(start, faults);
  const request: StartCall = { ...stand.request, idempotencyKey: null };
  const { callId } = await stand.calls.start(request);
  const { repeat } = stand.accepted[0] ?? {};
  await stand.ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
  return { ...stand, request, repeat: { hash: repeat?.hash ?? '', door: 'dead' } };
}

it('a repeat of who may not ask for it any more takes no call over', async () => {
  const faults: Faults = {};
  const { calls, ledger, request, repeat } = await keylessStage(() => Promise.resolve(true), faults);
  await ledger.accept(acceptInput('lost', { repeat }));
  faults.refusal = new HoldfastError('permission_denied', 'not this model');
  // It goes the way of a new call: here there is no place for one.
  await expect(calls.start({ ...request, isSdkRetry: true })).rejects.toMatchObject({ code: 'rate_limited' });
  delete faults.refusal;
  expect(await calls.start({ ...request, isSdkRetry: true })).toMatchObject({ callId: 'lost-g1', isNew: false });
});

it('a repeat starts the call of its first try, whose door died before the start', async () => {
  const started: string[] = [];
  const { calls, ledger, request, repeat } = await keylessStage((input) => {
    started.push(input.callId);
    return Promise.resolve(true);
  });
  await ledger.accept(acceptInput('lost', { repeat }));
  const joined = await calls.start({ ...request, isSdkRetry: true });
  expect(joined).toMatchObject({ callId: 'lost-g1', isNew: false });
  expect(started).toEqual(['call_0', 'lost-g1']);
});

it('a repeat starts no call that the engine has: a start that is refused would end it', async () => {
  const { calls, ledger, clock, request, repeat } = await keylessStage(({ callId }) =>
    callId === 'lost-g1' ? unavailable() : Promise.resolve(true),
  );
  await ledger.accept(acceptInput('lost', { repeat }));
  clock.now += 3_000;
  expect(await calls.start({ ...request, isSdkRetry: true })).toMatchObject({ callId: 'lost-g1', isNew: false });
  expect(await ledger.getCall('lost-g1')).toMatchObject({ state: 'accepted' });
});

it('a repeat that cannot start the call of its first try ends it: nothing is paid for who is told so', async () => {
  const { calls, ledger, request, repeat } = await keylessStage(({ callId }) =>
    callId === 'lost-g1' ? unavailable() : Promise.resolve(true),
  );
  await ledger.accept(acceptInput('lost', { repeat }));
  await expect(calls.start({ ...request, isSdkRetry: true })).rejects.toMatchObject({ message: 'no answer in time' });
  expect(await ledger.getCall('lost-g1')).toMatchObject({ error: { code: 'engine_unavailable' }, attempts: [] });
  expect(await ledger.openAttempt(openInput('lost-g1'))).toEqual({ status: 'ended' });
  expect(await ledger.owedCalls(repeat.hash, 0, 10)).toEqual([]);
});

it.each([
  ['', ['settle']],
  [', though the ledger is away for longer', ['settle', 'leaveOwed']],
])('a repeat that is refused, and whose call may run, leaves it to the next one%s', async (_how, away) => {
  const failing = new Set<string>();
  let isAway = false;
  const start = () => (isAway ? unavailable() : Promise.resolve(true));
  const { calls, ledger, request, repeat } = await keylessStage(start, { failing });
  await ledger.accept(acceptInput('lost', { repeat }));
  isAway = true;
  for (const verb of away) failing.add(verb);
  await expect(calls.start({ ...request, isSdkRetry: true })).rejects.toMatchObject({ code: 'engine_unavailable' });
  // It did reach the engine.
  await dispatched(ledger, openInput('lost-g1'));
  isAway = false;
  await expect.poll(() => ledger.owedCalls(repeat.hash, 0, 10)).toMatchObject([{ callId: 'lost-g1', door: null }]);
  expect(await calls.start({ ...request, isSdkRetry: true })).toMatchObject({ callId: 'lost-g1', isNew: false });
});

it('what a client left while the ledger was away is not taken from the one that has it by now', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { calls, ledger, request, repeat } = await keylessStage(undefined, { failing: new Set(['leaveOwed']) });
  await ledger.accept(acceptInput('lost', { repeat: { ...repeat, door: 'here' } }));
  await dispatched(ledger, openInput('lost-g1'));
  await calls.leave('lost-g1');
  // Its first try was written, and only the word of it lost.
  await ledger.leaveOwed('lost-g1', 'here');
  expect(await calls.start({ ...request, isSdkRetry: true })).toMatchObject({ callId: 'lost-g1' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await ledger.owedCalls(repeat.hash, 0, 10)).toMatchObject([{ callId: 'lost-g1', door: 'here' }]);
});

/** A repeat waits at this door for a call whose answer another process records. */
async function answeredElsewhere(faults?: Faults) {
  const stand = await keylessStage(undefined, faults);
  await stand.ledger.accept(acceptInput('there', { repeat: stand.repeat }));
  const lease = await dispatched(stand.ledger, openInput('there-g1'));
  const { follow } = await stand.calls.start({ ...stand.request, isSdkRetry: true });
  await stand.ledger.recordAnswer({ ...answerOf(lease), answerBytes: Buffer.from('{}'), by: 'there' });
  const [[message] = []] = await Array.fromAsync(follow(new AbortController().signal));
  if (message?.type !== 'call-end') throw new Error('no end');
  return { ...stand, call: message.call, owed: () => stand.ledger.owedCalls(stand.repeat.hash, 0, 10) };
}
const { signal: stays } = new AbortController();

it('an answer that another process recorded is owed to nobody from the moment at which its client is given it', async () => {
  const { calls, call, owed } = await answeredElsewhere();
  expect(call).toMatchObject({ isOwed: true });
  expect(await owed()).toMatchObject([{ callId: 'there-g1', door: 'here' }]);
  await calls.give(call, null, stays);
  expect(await owed()).toEqual([]);
});

it('an answer is given though the ledger cannot be told so, which is reported', async () => {
  const { calls, call, errors } = await answeredElsewhere({ failing: new Set(['giveOwed']) });
  expect(await calls.give(call, null, stays)).toEqual(await calls.answerOf(call));
  expect(errors).toMatchObject([{ message: 'it is away: giveOwed' }]);
});

it('an answer that cannot be read, or whose client is gone, stays owed', async () => {
  const { calls, call, owed } = await answeredElsewhere();
  await expect(calls.give({ ...call, answerRef: 'p_none' }, null, stays)).rejects.toMatchObject({ code: 'not_found' });
  await calls.give(call, null, AbortSignal.abort());
  expect(await owed()).toMatchObject([{ callId: 'there-g1', door: 'here' }]);
  await calls.leave(call.id);
  expect(await owed()).toMatchObject([{ callId: 'there-g1', door: null }]);
});

it('an answer that waited for its repeat, and could not be read for it, waits for the next', async () => {
  const failing = new Set<string>();
  const { calls, ledger, request, repeat } = await keylessStage(undefined, { failing });
  await ledger.accept(acceptInput('there', { repeat }));
  const lease = await dispatched(ledger, openInput('there-g1'));
  await ledger.recordAnswer({ ...answerOf(lease), answerBytes: Buffer.from('{}'), by: 'there' });
  const taken = async () => {
    const { callId, follow } = await calls.start({ ...request, isSdkRetry: true });
    expect(callId).toBe('there-g1');
    const [[message] = []] = await Array.fromAsync(follow(stays));
    if (message?.type !== 'call-end') throw new Error('no end');
    return message.call;
  };
  failing.add('get');
  await expect(calls.give(await taken(), null, stays)).rejects.toMatchObject({ code: 'engine_unavailable' });
  await calls.leave('there-g1');
  await calls.give(await taken(), null, stays);
  expect(await ledger.owedCalls(repeat.hash, 0, 10)).toEqual([]);
});

it('a call that is to be cancelled because its client left is given to a repeat only where that failed', async () => {
  const { calls, ledger, request, repeat, cancelled, errors } = await keylessStage(undefined, {
    failing: new Set(['cancel']),
  });
  await ledger.accept(acceptInput('running', { repeat: { ...repeat, door: 'here' } }));
  await dispatched(ledger, openInput('running-g1'));
  const owed = () => ledger.owedCalls(repeat.hash, 0, 10);
  await calls.abandon('running-g1');
  expect(errors).toMatchObject([{ message: 'it is away: cancel' }]);
  expect(await owed()).toMatchObject([{ callId: 'running-g1', door: null }]);
  expect(await calls.start({ ...request, isSdkRetry: true })).toMatchObject({ callId: 'running-g1' });
  await calls.abandon('running-g1');
  expect(cancelled).toEqual(['running-g1', 'running-g1']);
  expect(await owed()).toMatchObject([{ callId: 'running-g1', door: 'here' }]);
});

it('an answer that came too late for a client that would have its call cancelled is left to the repeat', async () => {
  const { calls, call, owed, cancelled } = await answeredElsewhere();
  await calls.abandon(call.id);
  expect(cancelled).toEqual([]);
  expect(await owed()).toMatchObject([{ callId: 'there-g1', door: null }]);
});
