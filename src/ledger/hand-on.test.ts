import { expect, it } from 'vitest';
import type { OpenCall } from '../core/ports/ledger/calls.ts';
import type { CallState } from '../core/ports/ledger/views.ts';
import { handOnLostAttempts } from './hand-on.ts';

function openCall(index: number, state: CallState): OpenCall {
  const input = {
    callId: `call_${String(index)}`,
    kind: 'chat',
    model: 'm',
    principal: { tenant: 'acme', key: null, models: null },
    requestRef: null,
  } as const;
  return { input, state, createdAt: index, isKeyed: false };
}

it('hands on the attempts of all open calls, on every page, and passes over those that cannot be reached', async () => {
  const calls = Array.from({ length: 1_203 }, (_, index) => openCall(index, index % 3 === 0 ? 'accepted' : 'running'));
  const asked: string[] = [];
  const errors: unknown[] = [];
  let atOnce = 0;
  let most = 0;
  const handedOn = await handOnLostAttempts({
    ledger: { openCalls: (_before, limit, skip = 0) => Promise.resolve(calls.slice(skip, skip + limit)) },
    async handOn(callId) {
      asked.push(callId);
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      if (callId === 'call_7') throw new Error('not now');
      return callId !== 'call_8';
    },
    now: () => 5_000,
    onError: (error) => errors.push(error),
  });
  expect(asked).toHaveLength(1_203);
  expect(new Set(asked).size).toBe(1_203);
  expect(handedOn).toBe(1_201);
  expect(errors).toMatchObject([{ message: 'not now' }]);
  expect(most).toBeLessThanOrEqual(16);
});
