/** The start of a call when the engine's answer is lost, and what a repeated key takes. Real ledger, an engine that lies. */
import { expect, it } from 'vitest';
import type { CallInput } from '../core/call/types.ts';
import type { AcceptInput } from '../core/ports/ledger.ts';
import { HoldfastError } from '../core/errors.ts';
import { openaiChatDoor } from '../providers/openai/door.ts';
import { createMemoryStreamBus } from '../stores/memory/stream-bus.ts';
import { createMemoryHotState } from '../stores/memory/hot-state.ts';
import { noPeers } from '../stores/memory/peers.ts';
import { acceptInput, allowed, answerOf, dispatched, openInput } from '../stores/contract/fixture.ts';
import { temporaryLedger } from '../stores/sqlite/temporary-ledger.ts';
import { createOrphans } from './orphans.ts';
import { createPlaceKeeper } from './place-keeper.ts';
import { createCallService, type StartCall } from './call-service.ts';

const fail = (error: unknown) => expect.unreachable(String(error));

async function stage(start: (input: CallInput) => Promise<boolean>, stateInEngine: 'running' | 'closed' = 'running') {
  const { ledger, payloads, clock } = await temporaryLedger();
  const bus = createMemoryStreamBus();
  let ids = 0;
  const accepted: AcceptInput[] = [];
  const calls = createCallService({
    ledger: {
      ...ledger,
      accept(input) {
        accepted.push(input);
        return ledger.accept(input);
      },
    },
    payloads,
    bus,
    engine: {
      start,
      cancel: () => Promise.resolve(stateInEngine === 'running'),
      handOn: () => Promise.resolve(false),
      stateOf: () => Promise.resolve(stateInEngine),
    },
    orphans: createOrphans({ ledger, peers: noPeers, door: 'here', now: () => clock.now }),
    door: 'here',
    endWatch: { add: () => () => undefined, stop: () => undefined },
    places: createPlaceKeeper({ hot: createMemoryHotState(), ledger, onError: fail }),
    scopesOf: () => [
      { scope: 'tenant:acme', limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: 1 } },
    ],
    prepare: (request) => request,
    prepareTags: (_tenant, tags) => tags,
    decide: () => Promise.resolve({ admission: allowed, worstCaseNanoUsd: 1_000n, budgets: [] }),
    estimateTokens: () => 1,
    hashBody: (_tenant, body) => JSON.stringify(body),
    hashRepeat: (...asked) => JSON.stringify(asked),
    newCallId: () => `call_${String(ids++)}`,
    deriveCallId: (_tenant, key, generation) => `call_${key}_${String(generation)}`,
    idempotencyTtlMs: 60_000,
    payloadTtlMs: 60_000,
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
  return { calls, ledger, bus, request, accepted };
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
  const taken = await stage((input) => Promise.resolve(input.callId !== 'call_k_1'), 'closed');
  await expect(taken.calls.start(taken.request)).rejects.toMatchObject({ code: 'engine_unavailable', retryAfterMs: 0 });
  expect(await taken.ledger.getCall('call_k_1')).toMatchObject({ state: 'ended', outcome: 'failed', attempts: [] });
  expect(await taken.calls.start(taken.request)).toMatchObject({ callId: 'call_k_2', isNew: true });
});

it('a call that ended before its start was answered is followed to that end, with or without an attempt', async () => {
  const stand = await stage(async ({ callId }) => {
    await stand.ledger.settle({ callId, outcome: 'denied', answerRef: null, error: denial });
    return false;
  }, 'closed');
  const denial = { code: 'budget_exceeded', message: 'full', source: 'gateway' } as const;
  expect(await stand.calls.start(stand.request)).toMatchObject({ callId: 'call_k_1', isNew: true });
  expect(await stand.ledger.getCall('call_k_1')).toMatchObject({ outcome: 'denied' });
});

it('a call that the engine does not have yet is cancelled in the ledger, and dispatches nothing when it comes there', async () => {
  const starting = Promise.withResolvers<boolean>();
  const begun = Promise.withResolvers<undefined>();
  const { calls, ledger, request } = await stage(() => {
    begun.resolve(undefined);
    return starting.promise;
  }, 'closed');
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

it('a repeated key attaches at the concurrency limit; another call is refused', async () => {
  const { calls, request } = await stage(() => Promise.resolve(true));
  const first = await calls.start(request);
  expect(await calls.start(request)).toMatchObject({ callId: first.callId, isNew: false });
  await expect(calls.start({ ...request, idempotencyKey: 'other' })).rejects.toMatchObject({ code: 'rate_limited' });
});

/** A request without a key, and the mark under which its call is found by a repeat. */
async function keylessStage(start: (input: CallInput) => Promise<boolean> = () => Promise.resolve(true)) {
  const stand = await stage(start);
  const request: StartCall = { ...stand.request, idempotencyKey: null };
  const { callId } = await stand.calls.start(request);
  const { repeat } = stand.accepted[0] ?? {};
  await stand.ledger.settle({ callId, outcome: 'cancelled', answerRef: null, error: null });
  return { ...stand, request, repeat: { hash: repeat?.hash ?? '', door: 'dead' } };
}

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

it('an answer that another process recorded is owed to nobody from the moment at which its client has it', async () => {
  const { calls, ledger, request, repeat } = await keylessStage();
  await ledger.accept(acceptInput('there', { repeat }));
  const lease = await dispatched(ledger, openInput('there-g1'));
  const { follow } = await calls.start({ ...request, isSdkRetry: true });
  await ledger.recordAnswer({ ...answerOf(lease), by: 'there' });
  expect(await ledger.owedCalls(repeat.hash, 0, 10)).toMatchObject([{ callId: 'there-g1', door: 'here' }]);
  for await (const [message] of follow(new AbortController().signal)) {
    expect(message).toMatchObject({ type: 'call-end', call: { isOwed: true } });
    expect(await ledger.owedCalls(repeat.hash, 0, 10)).toEqual([]);
  }
  expect.assertions(3);
});
