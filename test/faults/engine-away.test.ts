/** An engine that was killed, and one that hangs: whoever needs it is told so within its deadline, and loses nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallInput } from '../../src/core/call/types.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { createCallEngine } from '../../src/gateway/calls/call-engine.ts';
import { createOrphans } from '../../src/gateway/calls/orphans.ts';
import { newCallId } from '../../src/ledger/call-id.ts';
import { acceptInput } from '../../src/stores/contract/fixture.ts';
import { temporaryLedger } from '../../src/stores/sqlite/temporary-ledger.ts';
import { awakeMsOf } from '../support/awake-time.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

/** The deadline is 2 s; the rest is a busy machine's. Less than two deadlines. */
const TOLD_WITHIN_MS = 3_500;
/** `waits` waits ten minutes for its second try: longer than all that is asked here together. */
const CONFIG = `
providers:${SIM_PROVIDER}
models:
  waits:
    targets: [{ provider: sim, model: sim-small+status=429+times=1+retryAfter=600000 }]
    retries: { maxRetryAfterMs: 900000 }
    timeouts: { totalMs: 3600000 }
`;

async function timed<T>(question: Promise<T>): Promise<T> {
  expect(await awakeMsOf(question)).toBeLessThan(TOLD_WITHIN_MS);
  return question;
}

const ways = [
  {
    how: 'was killed',
    leave: (test: TestNode) => test.server.kill(),
    bringBack: (test: TestNode) => test.server.restart(),
  },
  {
    how: 'hangs',
    leave: (test: TestNode) => Promise.resolve(void process.kill(test.server.pid, 'SIGSTOP')),
    bringBack: (test: TestNode) => Promise.resolve(void process.kill(test.server.pid, 'SIGCONT')),
  },
];

describe.each(ways)('an engine that $how', ({ leave, bringBack }) => {
  let test: TestNode;
  let isAway = false;
  /** At the provider, which will not answer, when the engine goes. */
  let atProvider: string;
  /** In the pause before its second try then. */
  let inPause: string;

  const bodyOf = (model: string) => ({ model, messages: [{ role: 'user', content: 'engine away' }] });
  async function startCall(model: string): Promise<string> {
    const response = await test.post('/api/v1/calls', { kind: 'chat', request: bodyOf(model) });
    return response.headers.get('x-holdfast-call-id') ?? '';
  }
  const callOf = (id: string) => test.get<CallView>(`/api/v1/calls/${id}`);
  const cancel = (id: string) => test.post(`/api/v1/calls/${id}/cancel`, {});
  const engineOf = ({ client }: TestNode) => createCallEngine(client, { eager: false, isAlone: false });
  const stateOfAttempt = async (id: string) => (await callOf(id)).attempts[0]?.state;

  beforeAll(async () => {
    test = await startTestNode({ config: CONFIG });
    atProvider = await startCall('sim/sim-small+delay=120000');
    inPause = await startCall('waits');
    await until('one call is at the provider', async () => (await stateOfAttempt(atProvider)) === 'dispatched');
    await until('the other one waits', async () => (await stateOfAttempt(inPause)) === 'failed');
    isAway = true;
    await leave(test);
  });
  afterAll(async () => {
    if (isAway) await bringBack(test);
    await test.stop();
  });

  it('new calls are refused with a time to come back, each as fast as the first, and cost nothing', async () => {
    const before = test.simulator.count;
    for (let n = 0; n < 3; n += 1) {
      const refused = await timed(test.post('/v1/chat/completions', bodyOf('sim/sim-small')));
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(await refused.json()).toMatchObject({ error: { code: 'engine_unavailable' } });
    }
    expect(test.simulator.count).toBe(before);
  });

  it('starts, questions and cancels fail in the same way', async () => {
    const engine = engineOf(test);
    const input: CallInput = {
      callId: newCallId(),
      kind: 'chat',
      model: 'm',
      principal: { tenant: 'default', key: null, models: null },
      tags: {},
      requestRef: 'p_none',
    };
    const questions = [
      () => engine.start(input),
      () => engine.stateOf(input.callId),
      () => engine.cancel(input.callId),
    ];
    for (const question of questions) {
      await timed(expect(question()).rejects.toMatchObject({ code: 'engine_unavailable', retryAfterMs: 1_000 }));
    }
  });

  it('the node is not ready, and lives', async () => {
    const ready = await timed(fetch(`${test.url}/health/ready`));
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ checks: { ledger: 'ok', temporal: expect.stringMatching(/2 s/) } });
    expect((await fetch(`${test.url}/health/live`)).status).toBe(200);
  });

  it('a repeat whose first try may run is told to come again, having waited for the engine once', async () => {
    const { ledger, clock } = await temporaryLedger();
    const peers = { isGone: () => Promise.resolve(true) };
    const orphans = createOrphans({ ledger, peers, engine: engineOf(test), door: 'here', now: () => clock.now });
    for (const id of ['a', 'b']) await ledger.accept(acceptInput(id, { repeat: { hash: 'h', door: 'dead' } }));
    clock.now += 3_000;
    await timed(expect(orphans.take('h')).rejects.toMatchObject({ code: 'engine_unavailable' }));
    expect(await ledger.owedCalls('h', 0, 10)).toMatchObject([{ door: 'dead' }, { door: 'dead' }]);
  });

  it('the cancel of a call that is at the provider is taken, and stands when the engine is back', async () => {
    expect((await timed(cancel(atProvider))).status).toBe(202);
    expect(await callOf(atProvider)).toMatchObject({ attempts: [{ state: 'unknown', errorCode: 'cancelled' }] });
    // What nothing here can stop is not said to be cancelled.
    const refused = await timed(cancel(inPause));
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await callOf(inPause)).toMatchObject({ state: 'running' });

    await bringBack(test);
    isAway = false;
    const before = test.simulator.count;
    await until('the engine ends it', async () => (await callOf(atProvider)).state === 'ended');
    expect(await callOf(atProvider)).toMatchObject({ outcome: 'cancelled', attempts: [{}] });
    await until('the other one can be cancelled', async () => (await cancel(inPause)).status === 202);
    await until('it has ended', async () => (await callOf(inPause)).state === 'ended');
    expect(await callOf(inPause)).toMatchObject({ outcome: 'cancelled', attempts: [{ state: 'failed' }] });
    expect(test.simulator.count).toBe(before);
  });
});
