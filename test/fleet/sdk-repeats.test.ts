/** G3 without a key in a fleet: the node of the first try is killed, and the SDK's own repeat comes to another one. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { startNativeStack, type FleetNode, type NativeStack } from '../support/fleet/native-stack.ts';
import { postgresUnavailableReason } from '../support/postgres/binaries.ts';
import { redisUnavailableReason } from '../support/redis/binary.ts';
import { BUILD_LIMIT_MS, productionServerUnavailableReason } from '../support/temporal/production-server.ts';
import { until } from '../support/test-node.ts';

const KEYS = ['app', 'web'] as const;
const secretOf = (key: (typeof KEYS)[number]) => `hk_of-the-key-${key}`;
const unavailable = postgresUnavailableReason() ?? redisUnavailableReason() ?? productionServerUnavailableReason();

describe.skipIf(unavailable)('a fleet whose clients send no keys', { timeout: 150_000 }, () => {
  let simulator: Simulator;
  let stack: NativeStack;
  let a: FleetNode;
  let b: FleetNode;
  /** Where the balancer in front of the nodes sends a connection. */
  let entry: FleetNode;

  beforeAll(async () => {
    simulator = await startSimulator();
    stack = await startNativeStack({
      config: `
gateway: { auth: { required: true } }
providers: { sim: { kind: simulated, baseUrl: "${simulator.url}/v1", allowPrivateAddress: true } }
models:
  once: { targets: [{ provider: sim, model: sim-small+delay=1500 }], onUnknown: fail }
  again: { targets: [{ provider: sim, model: sim-small+delay=1500 }], onUnknown: retry }
  paced: { targets: [{ provider: sim, model: sim-small+delay=1500+pace=20 }], onUnknown: retry }
tenants: { acme: {} }
keys:
${KEYS.map((name) => `  - { name: ${name}, tenant: acme, hash: "${hashVirtualKey(secretOf(name))}", roles: [caller, admin] }`).join('\n')}
`,
    });
    [a, b] = stack.nodes as [FleetNode, FleetNode];
    entry = a;
  }, BUILD_LIMIT_MS);
  afterAll(async () => {
    await stack.close();
    await simulator.close();
  });

  const sdk = (maxRetries = 4) =>
    new OpenAI({
      apiKey: secretOf('app'),
      baseURL: 'http://balancer/v1',
      maxRetries,
      fetch: (url, init) => fetch(entry.url + new URL(url instanceof Request ? url.url : url).pathname, init),
    });
  const chat = (content: string, model = 'again') => ({
    model,
    max_tokens: 60,
    messages: [{ role: 'user' as const, content }],
  });
  const repeatAt = (node: FleetNode, body: object, key: (typeof KEYS)[number] = 'app') =>
    fetch(`${node.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${secretOf(key)}`,
        'x-stainless-retry-count': '1',
      },
      body: JSON.stringify(body),
    });
  const hitsOf = (content: string) =>
    simulator.seen.filter(({ body }) => JSON.stringify(body).includes(`"${content}"`)).length;
  const allCalls = async () => {
    const headers = { authorization: `Bearer ${secretOf('app')}` };
    const response = await fetch(`${b.url}/api/v1/calls?limit=1000`, { headers });
    return ((await response.json()) as { calls: CallView[] }).calls;
  };
  /** What the ledger has of the calls that `during` made. */
  const callsOf = async <T>(during: () => Promise<T>): Promise<{ result: T; calls: CallView[] }> => {
    const before = new Set((await allCalls()).map(({ id }) => id));
    const result = await during();
    return { result, calls: (await allCalls()).filter(({ id }) => !before.has(id)) };
  };
  const killA = async () => {
    entry = b;
    await a.kill();
  };
  const bringBackA = async () => {
    await a.start();
    entry = a;
  };

  it('G3 the SDK of a client whose node was killed gets the answer of its first try from another node', async () => {
    const { result, calls } = await callsOf(async () => {
      const pending = sdk().chat.completions.create(chat('killed')).withResponse();
      await until('it is at the provider', () => hitsOf('killed') === 1);
      await killA();
      return pending;
    });
    expect(result.data.choices[0]?.message.content).toContain('[simulated]');
    expect(result.response.headers.get('idempotent-replayed')).toBe('true');
    // One call; its lost attempt is seen.
    expect(calls.map(({ id }) => id)).toEqual([result.response.headers.get('x-holdfast-call-id')]);
    expect(calls[0]?.attempts.map(({ state }) => state)).toEqual(['unknown', 'settled']);
    expect(hitsOf('killed')).toBe(2);
    // It has been given: the next one who asks the same gets a call of its own.
    const next = await repeatAt(b, chat('killed'));
    expect(next.headers.get('x-holdfast-call-id')).not.toBe(calls[0]?.id);
    await bringBackA();
  });

  it('with onUnknown: fail the repeat is told that the outcome is unknown, and nothing is paid again', async () => {
    const { result, calls } = await callsOf(async () => {
      const pending = sdk()
        .chat.completions.create(chat('paid once', 'once'))
        .catch((error: unknown) => error);
      await until('it is at the provider', () => hitsOf('paid once') === 1);
      await killA();
      return pending;
    });
    expect(result).toMatchObject({ status: 502, code: 'outcome_unknown' });
    expect(calls).toHaveLength(1);
    expect(hitsOf('paid once')).toBe(1);
    await bringBackA();
  });

  it('two clients with one request have a call each again, one of them a stream from its first frame', async () => {
    const body = chat('asked twice', 'paced');
    const read = async () => {
      let text = '';
      const stream = await sdk().chat.completions.create({ ...body, stream: true });
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      return text;
    };
    const { result, calls } = await callsOf(async () => {
      const pending = Promise.all([read(), read()]);
      await until('both are at the provider', () => hitsOf('asked twice') === 2);
      await killA();
      return pending;
    });
    for (const text of result) expect(text).toMatch(/^\[simulated\]( \S+){24}$/);
    expect(calls).toHaveLength(2);
    for (const { attempts } of calls) expect(attempts.map(({ state }) => state)).toEqual(['unknown', 'settled']);
    expect(hitsOf('asked twice')).toBe(4);
    await bringBackA();
  });

  it('an answer that came before the repeat waits for it, for its own caller, and is given once', async () => {
    const body = chat('came late');
    const { result, calls } = await callsOf(async () => {
      const pending = sdk(0)
        .chat.completions.create(body)
        .catch((error: unknown) => error);
      await until('it is at the provider', () => hitsOf('came late') === 1);
      await killA();
      await pending;
      await until('it has ended', async () => (await allCalls())[0]?.state === 'ended', 60_000);
      const stranger = await repeatAt(b, body, 'web');
      const [first, second] = [await repeatAt(b, body), await repeatAt(b, body)];
      expect([stranger.status, first.status, second.status]).toEqual([200, 200, 200]);
      return [stranger, first, second].map((reply) => reply.headers.get('x-holdfast-call-id'));
    });
    expect(result[1]).toBe(calls.at(-1)?.id);
    expect(new Set(result).size).toBe(3);
    expect(calls).toHaveLength(3);
    expect(hitsOf('came late')).toBe(4);
    await bringBackA();
  });

  it('a repeat at another node gets a call of its own while the client of the first try waits', async () => {
    const body = chat('still waits');
    const { result, calls } = await callsOf(async () => {
      const first = sdk(0).chat.completions.create(body).withResponse();
      await until('it is at the provider', () => hitsOf('still waits') === 1);
      const second = await repeatAt(b, body);
      const ids = [(await first).response, second].map((reply) => reply.headers.get('x-holdfast-call-id'));
      return ids;
    });
    expect(new Set(result).size).toBe(2);
    expect(calls).toHaveLength(2);
    expect(hitsOf('still waits')).toBe(2);
  });

  it('without Redis nobody knows who lives: the repeat is a call of its own', async () => {
    const body = chat('without redis');
    const { calls } = await callsOf(async () => {
      const pending = sdk(0)
        .chat.completions.create(body)
        .catch((error: unknown) => error);
      await until('it is at the provider', () => hitsOf('without redis') === 1);
      await stack.redis.kill();
      await killA();
      await pending;
      expect((await repeatAt(b, body)).status).toBe(200);
    });
    expect(calls).toHaveLength(2);
    await stack.redis.start();
  });
});
