/** A step of the demo fails when what it promises does not happen. */
import { expect, test } from 'vitest';
import type { CallAnswer, CallDescription, HoldfastClient } from '../../client/index.ts';
import { answerStep, idempotencyStep, streamStep } from './answer-steps.ts';
import type { DemoContext, DemoStep } from './demo-step.ts';
import { budgetStep, failoverStep, retryStep } from './failure-steps.ts';

const ANSWER: CallAnswer = {
  callId: 'call_1',
  answer: { choices: [{ message: { content: '[simulated] hello' } }] },
  provider: 'simulated',
  model: 'sim-small',
  attempts: 1,
  costNanoUsd: '1000',
  replayed: false,
  warnings: [],
};

/** A gateway that answers everything in the same way, and hits the provider each time. */
function contextWith(answer: Partial<CallAnswer>): DemoContext {
  let hits = 0;
  const call = () => {
    hits += 1;
    return Promise.resolve({ ...ANSWER, ...answer });
  };
  const describe = () =>
    Promise.resolve({
      outcome: 'failed',
      attempts: [],
      costNanoUsd: '0',
      pricing: 'priced',
    } as unknown as CallDescription);
  const chunk = { choices: [{ delta: { content: 'all at once' } }] };
  const client = {
    call,
    stream: () =>
      Promise.resolve({
        callId: 'call_1',
        replayed: false,
        async *[Symbol.asyncIterator]() {
          yield await Promise.resolve(chunk);
        },
      }),
    start: () => Promise.reject(new Error('not used')),
    getCall: (id: string) => ({ id, describe, result: () => Promise.reject(new Error('not used')), cancel: describe }),
  } satisfies HoldfastClient;
  return {
    client,
    poorClient: client,
    simulator: {
      url: '',
      seen: [],
      get count() {
        return hits;
      },
      asked: 0,
      streams: 0,
      working: 0,
      release: () => undefined,
      cancelled: 0,
      close: () => Promise.resolve(),
    },
    up: {
      url: '',
      uiUrl: '',
      pid: 0,
      start: () => Promise.resolve(),
      kill: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    },
    say: () => undefined,
    write: () => undefined,
    signal: new AbortController().signal,
  };
}

const BROKEN: [string, DemoStep, Partial<CallAnswer>, string][] = [
  ['an answer without a cost', answerStep, { costNanoUsd: null }, 'the answer has a cost'],
  ['a stream in one piece', streamStep, {}, 'in many pieces'],
  ['a 429 that was not retried', retryStep, { attempts: 1 }, 'two attempts leave'],
  ['a failover to nobody', failoverStep, { provider: 'simulated' }, 'the backup answers'],
  ['a budget that lets through', budgetStep, {}, 'was not refused'],
  ['a key that pays twice', idempotencyStep, { replayed: true }, 'hit once, not 2 times'],
];

test.each(BROKEN)('%s fails its step', async (_what, step, answer, promise) => {
  await expect(step.run(contextWith(answer))).rejects.toThrow(promise);
});
