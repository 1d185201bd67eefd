/** The steps on a real ledger, where one runs twice because its first run broke off. */
import { expect, it } from 'vitest';
import type { CallInput } from '../core/call/types.ts';
import { newCallId } from '../ledger/call-id.ts';
import { openaiChatDoor } from '../providers/openai/door.ts';
import { allowed } from '../stores/contract/fixture.ts';
import { createMemoryStreamBus } from '../stores/memory/stream-bus.ts';
import { temporaryLedger } from '../stores/sqlite/temporary-ledger.ts';
import { createCallSteps } from './call-steps.ts';

const never = () => Promise.reject(new Error('not part of this test'));

it('an admission that runs again decides by the options of its input, which no row has', async () => {
  const { ledger, payloads } = await temporaryLedger();
  const asked: Pick<CallInput, 'mode' | 'takesRollbacks' | 'inline'>[] = [];
  let isBroken = true;
  const steps = createCallSteps({
    settings: { providers: new Map() },
    decide({ mode, takesRollbacks, inline }) {
      asked.push({ ...(mode && { mode }), ...(takesRollbacks && { takesRollbacks }), ...(inline && { inline }) });
      return Promise.resolve({ admission: allowed, worstCaseNanoUsd: null, budgets: [] });
    },
    ledger,
    payloads,
    bus: createMemoryStreamBus(),
    attempts: { collect: never, withdraw: never },
    doorWire: () => openaiChatDoor,
    prepare: (request) => request,
    prepareTags: (_tenant, tags) => tags,
    teamOf: () => Promise.resolve(undefined),
    payloadTtlMs: 60_000,
    onCallEnd: () => undefined,
    faults: {
      reach(point) {
        if (point !== 'after-row' || !isBroken) return undefined;
        isBroken = false;
        return Promise.reject(new Error('the process was lost here'));
      },
    },
    onDefect: () => undefined,
  });
  const body = { model: 'smart', messages: [{ role: 'user', content: 'hi' }] };
  const input: CallInput = {
    callId: newCallId(),
    kind: 'chat',
    model: 'smart',
    principal: { tenant: 'acme', key: null, models: null },
    requestRef: null,
    mode: 'background',
    takesRollbacks: true,
    inline: { wire: 'openai-chat', body, stream: false },
  };
  await expect(steps.admit(input)).rejects.toThrow('admit failed with an unforeseen Error');
  expect(await steps.admit(input)).toMatchObject({ allowed: true });
  expect(asked).toEqual([{ mode: 'background', takesRollbacks: true }]);
  const misnamed = { ...input, callId: 'order 17' };
  await expect(steps.admit(misnamed)).rejects.toMatchObject({ type: 'invalid_request', nonRetryable: true });
  expect(await ledger.getCall('order 17')).toBeNull();
});
