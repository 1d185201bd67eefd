import { describe, expect, it, onTestFinished } from 'vitest';
import type { JsonObject } from '../core/json.ts';
import type { UnknownAttempt } from '../core/ports/ledger/attempts.ts';
import { createDispatcher } from '../providers/dispatch/dispatcher.ts';
import { providerAdapters } from '../providers/registry.ts';
import { startSimulator } from '../simulator/simulator.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { settleUnknown } from './settle-unknown.ts';

/** A real provider on a real socket; the ledger notes what is booked. */
async function stage(model: string, change: Partial<AttemptDeps> = {}) {
  const simulator = await startSimulator();
  const dispatcher = createDispatcher();
  onTestFinished(async () => {
    await dispatcher.close();
    await simulator.close();
  });
  const request = { model, background: true, input: [{ role: 'user', content: 'what was it' }] };
  const response = await fetch(`${simulator.url}/v1/responses`, { method: 'POST', body: JSON.stringify(request) });
  const { id } = (await response.json()) as { id: string };
  const booked: unknown[] = [];
  const deps = {
    dispatcher,
    adapters: providerAdapters,
    providerNamed: (name: string) => ({
      name,
      kind: 'simulated',
      baseUrl: `${simulator.url}/v1`,
      apiKey: null,
      headers: {},
    }),
    payloads: {
      get: () => Promise.resolve(Buffer.from(JSON.stringify({ wire: 'openai-chat', stream: false, body: { model } }))),
    },
    charge: (_provider: unknown, _model: string, _request: unknown, { usage }: { usage: JsonObject | null }) => ({
      usage,
    }),
    ledger: {
      reconcileUnknown(lease: unknown, charge: unknown) {
        booked.push({ lease, charge });
        return Promise.resolve(true);
      },
      abandonAttempt(callId: string, attempt: number) {
        booked.push(`abandoned ${callId}/${String(attempt)}`);
        return Promise.resolve(true);
      },
    },
    ...change,
  } as unknown as AttemptDeps;
  const unknown: UnknownAttempt = {
    lease: { callId: 'call_1', attempt: 2, epoch: 3 },
    tenant: 'acme',
    provider: 'sim',
    model,
    responseId: id,
    requestRef: 'p_1',
    startedAt: 0,
  };
  return {
    simulator,
    booked,
    settle: (more: Partial<UnknownAttempt> = {}) => settleUnknown(deps, { ...unknown, ...more }),
  };
}

describe('an unknown attempt', () => {
  it('is booked at what the provider says that it cost', async () => {
    const { booked, settle } = await stage('sim-small');
    expect(await settle()).toBe('reconciled');
    const usage = expect.objectContaining({ outputTokens: expect.any(Number) as number }) as unknown;
    expect(booked).toEqual([{ lease: { callId: 'call_1', attempt: 2, epoch: 3 }, charge: { usage } }]);
  });

  it('that the provider says failed without a count is free', async () => {
    const { booked, settle } = await stage('sim-small+fails=1');
    expect(await settle()).toBe('reconciled');
    expect(booked).toMatchObject([{ charge: null }]);
  });

  it('on which the provider still works is stopped there: nobody waits for it', async () => {
    const { simulator, booked, settle } = await stage('sim-small+delay=60000');
    expect(await settle()).toBe('open');
    expect(booked).toEqual([]);
    expect(simulator.cancelled).toBe(1);
    expect(await settle()).toBe('abandoned');
    expect(booked).toEqual(['abandoned call_1/2']);
  });

  it('of which the provider knows nothing is given up: nobody will ever know', async () => {
    const { booked, settle } = await stage('sim-small');
    expect(await settle({ responseId: 'resp_other' })).toBe('abandoned');
    expect(booked).toEqual(['abandoned call_1/2']);
  });

  it('stays open while the provider cannot be reached', async () => {
    const { simulator, booked, settle } = await stage('sim-small');
    await simulator.close();
    expect(await settle()).toBe('open');
    expect(booked).toEqual([]);
  });

  it.each([
    ['whose request has expired', { requestRef: null }],
    ['whose answer its caller did not have stored', { responseId: 'chatcmpl-1' }],
  ])('%s is not asked for', async (_what, change) => {
    const { simulator, settle } = await stage('sim-small');
    expect(await settle(change)).toBe('open');
    expect(simulator.asked).toBe(0);
  });
});
