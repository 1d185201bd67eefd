/** The gateway and the client that goes straight to Temporal make the same call id of the same idempotency key. */
import { expect, it } from 'vitest';
import { createTemporalClient } from '../../src/client/index.ts';
import { deriveCallId, tenantHandle } from '../../src/ledger/call-id.ts';
import { readEvents } from '../support/read-events.ts';
import { SIM_PROVIDER, startTestNode } from '../support/test-node.ts';

it('takes up, straight in Temporal, the call that the gateway started', async () => {
  const test = await startTestNode({ config: `providers:${SIM_PROVIDER}` });
  try {
    const request = { model: 'sim/sim-small', messages: [{ role: 'user', content: 'hi' }] };
    const answer = await test.post('/v1/chat/completions', request, { 'idempotency-key': 'order-17' });
    expect(answer.status).toBe(200);
    const straight = await createTemporalClient({ client: test.client }).start(request, { idempotencyKey: 'order-17' });
    expect(straight.id).toBe(answer.headers.get('x-holdfast-call-id'));
    expect(straight.id).toBe(deriveCallId(tenantHandle('default'), 'order-17', 1));
    expect(test.simulator.count).toBe(1);
  } finally {
    await test.stop();
  }
});

it('streams a call by the id that its caller in Temporal gave it, and from where the stream was left', async () => {
  const test = await startTestNode({ config: `providers:${SIM_PROVIDER}` });
  try {
    const request = { model: 'sim/sim-small', messages: [{ role: 'user', content: 'hi' }], stream: true };
    const call = await createTemporalClient({ client: test.client }).start(request, { callId: 'order.17' });
    await call.result();
    const streamOf = async (headers: Record<string, string> = {}) => {
      const response = await fetch(`${test.url}/api/v1/calls/order.17/stream`, { headers });
      expect(response.status).toBe(200);
      return Array.fromAsync(readEvents(response));
    };
    const whole = await streamOf();
    expect(whole.length).toBeGreaterThan(2);
    expect(await streamOf({ 'last-event-id': whole[0]?.id ?? '' })).toEqual(whole.slice(1));
  } finally {
    await test.stop();
  }
});

it('keeps the handle of a tenant as it is: ids of earlier releases hang on it', () => {
  expect(tenantHandle('acme')).toBe('822b33ad87c148a0');
});
