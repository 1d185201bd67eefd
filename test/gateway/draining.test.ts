/** A node that stops answers what still arrives on open connections as it answers everything: typed, and to be retried. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { SIM_PROVIDER, startTestNode, until } from '../support/test-node.ts';

it('refuses a request that comes while the node drains, and answers the one in flight', async () => {
  const test = await startTestNode({ config: `providers:${SIM_PROVIDER}` });
  let drained: Promise<void> | undefined;
  try {
    const inFlight = test.post('/v1/chat/completions', {
      model: 'sim/sim-small+delay=2000',
      messages: [{ role: 'user', content: 'hi' }],
    });
    // Half a request, so that the connection is no idle one, which is closed at once.
    const socket = connect(Number(new URL(test.url).port), '127.0.0.1');
    let second = '';
    socket.on('data', (chunk) => (second += chunk.toString()));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n');
    await until('the call is at the provider', () => test.simulator.count === 1);

    drained = test.node.drain();
    socket.write('content-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    await closed;
    expect(second).toMatch(/^HTTP\/1\.1 503 /);
    expect(second).toMatch(/^retry-after: 1\r$/m);
    expect(second).toMatch(/^x-should-retry: true\r$/m);
    expect(second).toMatch(/^x-request-id: req_/m);
    expect(second).toMatch(/^connection: close\r$/im);
    expect(second).toMatch(/"type":"error","error":\{.*"code":"engine_unavailable"/);
    const first = await inFlight;
    expect(first.status).toBe(200);
    expect(await first.text()).toContain('[simulated]');
    expect(test.simulator.count).toBe(1);
    await drained;
    // It is no failure of the node.
    expect(test.logs.join('\n')).not.toContain('unexpected error');
  } finally {
    const once = drained;
    if (once) test.node.drain = () => once;
    await test.stop();
  }
});

it('does not wait for connections on which no one ever asked anything', async () => {
  const test = await startTestNode({ config: `providers:${SIM_PROVIDER}` });
  const socket = connect(Number(new URL(test.url).port), '127.0.0.1');
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  const began = performance.now();
  await Promise.all([test.stop(), closed]);
  // The server would give it a minute for the head of its first request.
  expect(performance.now() - began).toBeLessThan(30_000);
});

it('waits some seconds for requests that came in part, and for the answer to a whole one as long as it takes', async () => {
  const test = await startTestNode({ config: `providers:${SIM_PROVIDER}` });
  const halves = ['P', 'POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{'];
  const closed = halves.map(async (text) => {
    const socket = connect(Number(new URL(test.url).port), '127.0.0.1', () => socket.write(text));
    await once(socket.resume(), 'close');
    return performance.now();
  });
  const whole = test.post('/v1/chat/completions', {
    model: 'sim/sim-small+holds=1',
    messages: [{ role: 'user', content: 'hi' }],
  });
  await until('the call is at the provider', () => test.simulator.count === 1);
  const began = performance.now();
  const stopped = test.stop();
  const closedAt = await Promise.all(closed);
  expect(Math.min(...closedAt) - began).toBeGreaterThan(4_500);
  // They did not wait for the answer, nor for the minute that the server gives the head of a request.
  expect(Math.max(...closedAt) - began).toBeLessThan(30_000);
  expect(test.simulator.seen[0]?.status).toBe(0);
  test.simulator.release();
  const answer = await whole;
  expect(answer.status).toBe(200);
  expect(await answer.text()).toContain('[simulated]');
  await stopped;
});
