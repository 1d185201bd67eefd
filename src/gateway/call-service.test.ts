/** The start of a call when the engine's answer is lost, and what a repeated key takes. Real ledger, an engine that lies. */
import { expect, it } from 'vitest';
import type { CallInput } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import { openaiChatDoor } from '../providers/openai/door.ts';
import { createMemoryStreamBus } from '../stores/memory/stream-bus.ts';
import { createMemoryHotState } from '../stores/memory/hot-state.ts';
import { allowed, answerOf, openInput } from '../stores/contract/fixture.ts';
import { temporaryLedger } from '../stores/sqlite/temporary-ledger.ts';
import { noOrphans } from './orphans.ts';
import { createPlaceKeeper } from './place-keeper.ts';
import { createCallService, type StartCall } from './call-service.ts';

const fail = (error: unknown) => expect.unreachable(String(error));

async function stage(start: (input: CallInput) => Promise<void>) {
  const { ledger, payloads } = await temporaryLedger();
  const bus = createMemoryStreamBus();
  let ids = 0;
  const calls = createCallService({
    ledger,
    payloads,
    bus,
    engine: {
      start,
      cancel: () => Promise.resolve(),
      handOn: () => Promise.resolve(false),
      stateOf: () => Promise.resolve('running'),
    },
    orphans: noOrphans,
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
  return { calls, ledger, bus, request };
}

const unavailable = () => Promise.reject(new HoldfastError('engine_unavailable', 'no answer in time'));

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
    await unavailable();
  });
  await expect(calls.start(request)).rejects.toThrow(/destroyed/);
  expect(bus.channels).toBe(0);
});

it('a start whose answer was lost after the call had dispatched is followed to its answer, not paid for again', async () => {
  const stand = await stage(async (input) => {
    const opened = await stand.ledger.openAttempt(openInput(input.callId));
    if (opened.status !== 'dispatched') throw new Error(opened.status);
    await stand.ledger.recordAnswer(answerOf(opened.lease));
    await unavailable();
  });
  const started = await stand.calls.start(stand.request);
  const call = await stand.ledger.getCall(started.callId);
  expect(call).toMatchObject({ state: 'ended', outcome: 'succeeded', attempts: [{ state: 'settled' }] });
  const again = await stand.calls.start(stand.request);
  expect(again).toMatchObject({ callId: started.callId, isNew: false });
});

it('a repeated key attaches at the concurrency limit; another call is refused', async () => {
  const { calls, request } = await stage(() => Promise.resolve());
  const first = await calls.start(request);
  expect(await calls.start(request)).toMatchObject({ callId: first.callId, isNew: false });
  await expect(calls.start({ ...request, idempotencyKey: 'other' })).rejects.toMatchObject({ code: 'rate_limited' });
});
