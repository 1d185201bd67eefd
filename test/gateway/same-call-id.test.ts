/** The gateway and the client that goes straight to Temporal make the same call id of the same idempotency key. */
import { expect, it } from 'vitest';
import { createTemporalClient } from '../../src/client/index.ts';
import { deriveCallId, tenantHandle } from '../../src/ledger/call-id.ts';
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

it('keeps the handle of a tenant as it is: ids of earlier releases hang on it', () => {
  expect(tenantHandle('acme')).toBe('822b33ad87c148a0');
});
