/** The steps in which something goes wrong, and what is done about it. */
import { HoldfastClientError } from '../../client/index.ts';
import { ask, must, type DemoStep } from './demo-step.ts';

export const retryStep: DemoStep = {
  title: 'a provider that says 429: wait as it asks, then again',
  async run({ client, simulator, say, signal }) {
    const before = simulator.count;
    const { callId, attempts } = await client.call(ask('demo-busy', 'Are you busy?'), { signal });
    must(attempts === 2 && simulator.count - before === 2, 'two attempts leave, no more');
    const [first, second] = (await client.getCall(callId).describe({ signal })).attempts;
    must(first?.errorCode === 'provider_rate_limited', 'the first attempt is recorded as rate limited');
    must(second?.state === 'settled', 'the second attempt is answered');
    const waitedMs = Date.parse(second?.startedAt ?? '') - Date.parse(first?.endedAt ?? '');
    must(waitedMs >= 300, 'the retry waits as long as Retry-After asks');
    say(`attempt 1 -> 429 (provider_rate_limited), waited ${String(waitedMs)} ms, attempt 2 -> answered`);
    return [callId];
  },
};

export const failoverStep: DemoStep = {
  title: 'a provider that is down: the next one answers',
  async run({ client, say, signal }) {
    const { callId, provider } = await client.call(ask('demo-failover', 'Is anyone there?'), { signal });
    must(provider === 'simulated-backup', 'the backup answers');
    const { attempts } = await client.getCall(callId).describe({ signal });
    must(attempts.length === 2 && attempts[0]?.state === 'failed', 'the failed attempt is on record');
    for (const { n, provider: name, model, errorCode } of attempts) {
      say(`attempt ${String(n)} ${name}/${model} -> ${errorCode ?? 'answered'}`);
    }
    return [callId];
  },
};

export const budgetStep: DemoStep = {
  title: 'a tenant whose budget has no room: refused, before anything is spent',
  async run({ poorClient, simulator, say, signal }) {
    const before = simulator.count;
    const error: unknown = await poorClient.call(ask('demo', 'May I?'), { signal }).catch((thrown: unknown) => thrown);
    if (!(error instanceof HoldfastClientError))
      throw error instanceof Error ? error : new Error('the call was not refused');
    must(
      error.code === 'budget_exceeded' && error.status === 402,
      `the refusal is 402 budget_exceeded, not ${error.code}`,
    );
    must(simulator.count === before, 'the provider is not hit');
    say(`402 ${error.code}: ${error.message}`);
    return error.callId === null ? [] : [error.callId];
  },
};
