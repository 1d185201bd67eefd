/** The fleet shape as it runs in production, on loopback: PostgreSQL, Redis, a Temporal server on PostgreSQL, two nodes. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { startNativeStack, type FleetNode, type NativeStack } from '../support/fleet/native-stack.ts';
import { postgresUnavailableReason } from '../support/postgres/binaries.ts';
import { expectConsistentSums } from '../support/postgres/consistent-sums.ts';
import { readEvents, textOf, type Received } from '../support/read-events.ts';
import { redisUnavailableReason } from '../support/redis/binary.ts';
import { BUILD_LIMIT_MS, productionServerUnavailableReason } from '../support/temporal/production-server.ts';
import { until } from '../support/test-node.ts';

const TENANTS = ['free', 'narrow', 'slow', 'poor', 'lone', 'alone', 'ops'] as const;
type Tenant = (typeof TENANTS)[number];
const keyOf = (tenant: Tenant) => `hk_of-the-tenant-${tenant}`;
const CONCURRENCY = 6;
const PER_MINUTE = 9;
/** Answers when it is told to. */
const HELD = 'sim/sim-small+holds=1';
/** More than one call of this test can cost. */
const WORST_CASE_NANO_USD = 500_000n;

const unavailable = postgresUnavailableReason() ?? redisUnavailableReason() ?? productionServerUnavailableReason();

describe.skipIf(unavailable)('a fleet of two nodes', () => {
  let simulator: Simulator;
  let stack: NativeStack;
  let a: FleetNode;
  let b: FleetNode;

  beforeAll(async () => {
    simulator = await startSimulator();
    stack = await startNativeStack({
      config: `
gateway: { auth: { required: true } }
providers: { sim: { kind: simulated, baseUrl: "${simulator.url}/v1", allowPrivateAddress: true } }
models:
  once: { targets: [{ provider: sim, model: sim-small+holds=1 }], onUnknown: fail }
tenants:
  free: {}
  ops: {}
  narrow: { limits: { concurrency: ${String(CONCURRENCY)} } }
  slow: { limits: { requestsPerMinute: ${String(PER_MINUTE)} } }
  poor: { budgets: [{ limitUsd: "0.001200", period: total, hard: true }] }
  lone: { limits: { concurrency: 1 } }
  alone: { limits: { concurrency: 1 } }
keys:
${TENANTS.map((name) => `  - { name: ${name}, tenant: ${name}, hash: "${hashVirtualKey(keyOf(name))}", roles: [caller, admin] }`).join('\n')}
`,
    });
    [a, b] = stack.nodes as [FleetNode, FleetNode];
  }, BUILD_LIMIT_MS);
  afterAll(async () => {
    await stack.close();
    await simulator.close();
  });

  interface Ask {
    model?: string;
    stream?: boolean;
    headers?: Record<string, string>;
    signal?: AbortSignal;
    tenant?: Tenant;
  }

  const ask = (node: FleetNode, content: string, { model = 'sim/sim-small', stream = false, ...given }: Ask = {}) =>
    fetch(`${node.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${keyOf(given.tenant ?? 'free')}`,
        ...given.headers,
      },
      body: JSON.stringify({ model, stream, max_tokens: 60, messages: [{ role: 'user', content }] }),
      ...(given.signal && { signal: given.signal }),
    });
  const get = (node: FleetNode, path: string, headers: Record<string, string> = {}) =>
    fetch(node.url + path, { headers: { authorization: `Bearer ${keyOf('ops')}`, ...headers } });
  const callOf = async (node: FleetNode, id: string) =>
    (await (await get(node, `/api/v1/calls/${id}`)).json()) as CallView;
  const hitsOf = (content: string) =>
    simulator.seen.filter(({ body }) => JSON.stringify(body).includes(`"${content}"`));
  const idOf = (response: Response) => response.headers.get('x-holdfast-call-id') ?? '';
  const followAt = (node: FleetNode, id: string, headers: Record<string, string> = {}) =>
    get(node, `/api/v1/calls/${id}/stream`, headers);

  /** So many at once over both nodes. Those that are taken stay at the provider until all of them are decided. */
  async function statusesAtOnce(count: number, name: string): Promise<number[]> {
    const statuses: number[] = [];
    const asked = Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const { status } = await ask(n % 2 ? a : b, `${name} ${String(n)}`, { tenant: 'narrow', model: HELD });
        statuses.push(status);
      }),
    );
    const held = () =>
      simulator.seen.filter(({ body, status }) => status === 0 && JSON.stringify(body).includes(`"${name} `)).length;
    await until('all are decided', () => statuses.length + held() === count);
    simulator.release();
    await asked;
    return statuses;
  }

  async function readAll(response: Response): Promise<Received[]> {
    return await Array.fromAsync(readEvents(response));
  }

  /** Reads until the condition holds, and leaves the connection open. */
  async function readUntil(events: AsyncGenerator<Received>, enough: (seen: Received[]) => boolean) {
    const seen: Received[] = [];
    while (!enough(seen)) {
      const { value, done } = await events.next();
      if (done) throw new Error(`the stream ended early: ${JSON.stringify(seen)}`);
      seen.push(value);
    }
    return seen;
  }

  it('G7 a stream goes on at the other node, from the last event that arrived, without loss or repetition', async () => {
    const held = { model: 'sim/sim-small+holds=12+words=60', stream: true };
    const here = await ask(a, 'goes on elsewhere', held);
    const id = idOf(here);
    const events = readEvents(here);
    const head = await readUntil(events, ({ length }) => length === 8);
    const asked = Date.now();
    const there = readEvents(await followAt(b, id, { 'last-event-id': head.at(-1)?.id ?? '' }));
    const first = await there.next();
    // It comes while the call runs, whose end is held back.
    expect(simulator.seen.at(-1)?.status).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
    simulator.release();
    const tail = [...(first.done ? [] : [first.value]), ...(await Array.fromAsync(there))];
    const whole = [...head, ...(await Array.fromAsync(events))];
    expect([...head, ...tail]).toEqual(whole);
    expect(tail.length).toBeGreaterThan(20);
    expect(await readAll(await followAt(b, id))).toEqual(whole);
    expect(hitsOf('goes on elsewhere')).toHaveLength(1);
  });

  it('a call at one node that is cancelled at the other leaves its provider at once', async () => {
    const lost = ask(a, 'cancel me', { model: 'sim/sim-small+delay=60000', headers: { 'idempotency-key': 'cancel' } });
    await until('it is at the provider', () => hitsOf('cancel me').length === 1);
    const { calls } = (await (await get(b, '/api/v1/calls?limit=5')).json()) as { calls: CallView[] };
    const call = calls.find(({ state }) => state !== 'ended');
    const asked = Date.now();
    await fetch(`${b.url}/api/v1/calls/${call?.id ?? ''}/cancel`, {
      method: 'POST',
      headers: { authorization: `Bearer ${keyOf('ops')}` },
    });
    await until('the socket is closed', () => hitsOf('cancel me')[0]?.status === -1);
    const took = Date.now() - asked;
    console.log(`cancelled at the other node after ${String(took)} ms`);
    expect(took).toBeLessThan(10_000);
    expect((await lost).status).toBe(499);
  });

  it('a limit of concurrent calls is exact over both nodes, and free again when they end', async () => {
    const statuses = await statusesAtOnce(4 * CONCURRENCY, 'narrow');
    expect(statuses.filter((status) => status === 200)).toHaveLength(CONCURRENCY);
    expect(statuses.filter((status) => status === 429)).toHaveLength(3 * CONCURRENCY);
    // A node tells Redis of the end of a call beside its answer, on another connection than the next question comes by.
    await until('all places are free', async () =>
      (await statusesAtOnce(CONCURRENCY, 'again')).every((status) => status === 200),
    );
  });

  it('requests per minute are exact over both nodes', async () => {
    // Not over the turn of a minute: what is taken before it fades.
    if (Date.now() % 60_000 > 50_000) await delay(60_000 - (Date.now() % 60_000) + 100);
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, n) => ask(n % 2 ? a : b, `minute ${String(n)}`, { tenant: 'slow' })),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(PER_MINUTE);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(30 - PER_MINUTE);
  });

  it('G4 a hard budget is exact over both nodes', async () => {
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, n) => ask(n % 2 ? a : b, `poor ${String(n)}`, { tenant: 'poor' })),
    );
    expect(replies.every(({ status }) => status === 200 || status === 402)).toBe(true);
    let paid = replies.filter(({ status }) => status === 200).length;
    expect(paid).toBeLessThan(40);
    // What the holds of calls at the same moment had kept free is spent one by one.
    while ((await ask(paid % 2 ? a : b, `poor ${String(paid)} more`, { tenant: 'poor' })).status === 200) paid += 1;
    const { budgets } = (await (await get(a, '/api/v1/budgets')).json()) as {
      budgets: { scope: string; limitNanoUsd: string; heldNanoUsd: string; spentNanoUsd: string }[];
    };
    const budget = budgets.find(({ scope }) => scope === 'tenant:poor')!;
    expect(BigInt(budget.spentNanoUsd)).toBeLessThanOrEqual(BigInt(budget.limitNanoUsd));
    expect(BigInt(budget.limitNanoUsd) - BigInt(budget.spentNanoUsd)).toBeLessThan(WORST_CASE_NANO_USD);
    expect(budget.heldNanoUsd).toBe('0');
    const hits = simulator.seen.filter(({ body }) => JSON.stringify(body).includes('"poor '));
    expect(hits).toHaveLength(paid);
    await expectConsistentSums(stack.postgres, stack.databaseUrl);
  });

  it.each([
    ['the first', () => [a, b] as const],
    ['the second', () => [b, a] as const],
  ])(
    'G1 G2 G7 kill -9 of %s node: its calls move, streams go on honestly at the other',
    { timeout: 150_000 },
    async (which, nodes) => {
      const [dies, stays] = nodes();
      const paced = { model: 'sim/sim-small+pace=150+words=40', stream: true };
      const name = (what: string) => `${what} ${which}`;
      const streams = await Promise.all(
        ['plain', 'rollback'].map(
          (what) =>
        ask(dies, name(what), { ...paced, ...(what === 'rollback' && { headers: { 'x-holdfast-stream': 'rollback', 'idempotency-key': name(what) } }), ...(what === 'plain' && { headers: { 'idempotency-key': name(what) } }) }), // prettier-ignore
        ),
      );
      const readers = streams.map((stream) => readEvents(stream));
      const heads = await Promise.all(readers.map((reader) => readUntil(reader, (seen) => textOf(seen).length > 10)));
      const keyed = { 'idempotency-key': name('json') };
      const lost = ask(dies, name('json'), { model: HELD, headers: keyed, tenant: 'lone' }).catch(() => null);
      const careful = ask(dies, name('careful'), {
        model: 'once',
        headers: { 'idempotency-key': name('careful') },
      }).catch(() => null);
      await until('all are at the provider', () => hitsOf(name('json')).length + hitsOf(name('careful')).length === 2);
      const killedAt = Date.now();
      await dies.kill();
      await Promise.all([lost, careful, ...readers.map((reader) => Array.fromAsync(reader).catch(() => []))]);
      // While the lost call is in flight at the other node, it has its place under the limit of one.
      await until('it is at the provider once more', () => hitsOf(name('json')).length === 2, 60_000);
      const crowd = await ask(stays, name('crowd'), { headers: { 'idempotency-key': name('crowd') }, tenant: 'lone' });
      expect(crowd.status).toBe(429);
      simulator.release();

      const [plain, rollback] = streams.map(idOf) as [string, string];
      const lastIds = heads.map((head) => head.at(-1)?.id ?? '') as [string, string];
      // It holds text of the lost attempt and did not ask for a rollback: it is told so, before a stream begins.
      const refused = await followAt(stays, plain, { 'last-event-id': lastIds[0] });
      expect(refused.status).toBe(502);
      expect(await refused.json()).toMatchObject({ error: { code: 'outcome_unknown' } });
      const rolled = await readAll(
        await followAt(stays, rollback, { 'last-event-id': lastIds[1], 'x-holdfast-stream': 'rollback' }),
      );
      expect(rolled[0]?.event).toBe('attempt-rollback');
      expect(rolled.at(-1)?.data).toBe('[DONE]');
      for (const stream of streams) {
        const whole = await readAll(await followAt(stays, idOf(stream)));
        expect(textOf(whole)).toMatch(/^\[simulated\]/);
        if (idOf(stream) === rollback) expect(textOf(rolled)).toBe(textOf(whole));
      }

      const again = ask(stays, name('json'), { model: HELD, headers: keyed, tenant: 'lone' });
      const reply = await again;
      expect(reply.status).toBe(200);
      const json = await callOf(stays, idOf(reply));
      console.log(`calls of ${which} node answered by the other ${String(Date.now() - killedAt)} ms after its end`);
      expect(json.attempts.map(({ state }) => state)).toEqual(['unknown', 'settled']);
      expect(hitsOf(name('json'))).toHaveLength(2);
      await until('its place is free', async () => (await ask(stays, 'next', { tenant: 'lone' })).status === 200);

      const ended = await ask(stays, name('careful'), {
        model: 'once',
        headers: { 'idempotency-key': name('careful') },
      });
      expect(ended.status).toBe(502);
      expect(hitsOf(name('careful'))).toHaveLength(1);
      await dies.start();
    },
  );

  it('G2 G7 a live stream of work in the background goes on at the other node when its own is killed, without a break for who follows it there', async () => {
    const headers = { 'x-holdfast-mode': 'background', 'idempotency-key': 'live job' };
    const here = await ask(a, 'live job', { model: 'sim/sim-small+holds=6', stream: true, headers });
    const reader = readEvents(here);
    const head = await readUntil(reader, ({ length }) => length === 6);
    const follower = readEvents(await followAt(b, idOf(here)));
    const followed = await readUntil(follower, ({ length }) => length === 6);
    const { streams } = simulator;
    await a.kill();
    await Array.fromAsync(reader).catch(() => []);
    await until('the other node has taken it up', () => simulator.streams > streams, 60_000);
    simulator.release();
    const whole = [...followed, ...(await Array.fromAsync(follower))];
    expect(whole.at(-1)?.data).toBe('[DONE]');
    const tail = await readAll(await followAt(b, idOf(here), { 'last-event-id': head.at(-1)?.id ?? '' }));
    expect([...head, ...tail]).toEqual(whole);
    expect(await readAll(await followAt(b, idOf(here)))).toEqual(whole);
    expect((await callOf(b, idOf(here))).attempts.map(({ state }) => state)).toEqual(['settled']);
    expect(hitsOf('live job')).toHaveLength(1);
    await a.start();
  });

  it('a place that is taken at one node counts at the other, and is given back when the call ends, though its client has left', async () => {
    const gone = new AbortController();
    const headers = { 'idempotency-key': 'left' };
    const left = ask(a, 'left', { tenant: 'alone', model: HELD, headers, signal: gone.signal }).catch(() => null);
    await until('it is at the provider', () => hitsOf('left').length === 1);
    expect((await ask(b, 'refused', { tenant: 'alone' })).status).toBe(429);
    gone.abort();
    await left;
    simulator.release();
    await until('the place is free', async () => (await ask(b, 'next one', { tenant: 'alone' })).status === 200);
  });

  it('without Redis calls go on under limits of each node alone, and share them again when it is back', async () => {
    const running = ask(a, 'through the loss', { model: HELD });
    await until('it is at the provider', () => hitsOf('through the loss').length === 1);
    await stack.redis.kill();
    const during = await statusesAtOnce(4 * CONCURRENCY, 'without');
    // Each node keeps the limit by itself.
    expect(during.filter((status) => status === 200)).toHaveLength(2 * CONCURRENCY);
    expect(during.filter((status) => status === 429)).toHaveLength(2 * CONCURRENCY);
    expect((await running).status).toBe(200);
    expect(await (await get(a, '/metrics')).text()).toMatch(/^holdfast_redis_up 0$/m);
    expect((await get(a, '/health/ready')).status).toBe(200);
    await stack.redis.start();
    await until('both see it', async () =>
      (await Promise.all([a, b].map(async (node) => (await get(node, '/metrics')).text()))).every((text) =>
        /^holdfast_redis_up 1$/m.test(text),
      ),
    );
    const after = await statusesAtOnce(4 * CONCURRENCY, 'with');
    expect(after.filter((status) => status === 200)).toHaveLength(CONCURRENCY);
  });

  it('G7 a stream at the other node is complete, and nothing in it comes twice, when Redis is lost in its middle', async () => {
    const here = await ask(a, 'lost in the middle', { model: 'sim/sim-small+pace=60+words=50', stream: true });
    const there = readEvents(await followAt(b, idOf(here)));
    const head = await readUntil(there, ({ length }) => length === 8);
    await stack.redis.kill();
    const [tail, whole] = await Promise.all([Array.fromAsync(there), readAll(here)]);
    expect([...head, ...tail]).toEqual(whole);
    await stack.redis.start();
  });

  it('while PostgreSQL restarts new calls get 503, and those in flight end right', async () => {
    const running = Promise.all(
      [a, b].map((node) => ask(node, `in flight at ${node.url}`, { model: 'sim/sim-small+delay=2500' })),
    );
    await until('both are at the provider', () =>
      [a, b].every((node) => hitsOf(`in flight at ${node.url}`).length === 1),
    );
    await stack.postgres.stop('SIGINT');
    const refused = await ask(b, 'meanwhile');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect((await get(a, '/health/ready')).status).not.toBe(200);
    await stack.postgres.start();
    for (const [index, reply] of (await running).entries()) {
      expect(reply.status).toBe(200);
      const { outcome, attempts } = await callOf(a, idOf(reply));
      expect(outcome).toBe('succeeded');
      // Temporal restarts with its database: an attempt whose heartbeats it missed for 10 s is made again, in sight.
      const states = attempts.map(({ state }) => state);
      expect(states.slice(0, -1).every((state) => state === 'unknown')).toBe(true);
      expect(states.at(-1)).toBe('settled');
      expect(hitsOf(`in flight at ${[a, b][index]?.url ?? ''}`)).toHaveLength(attempts.length);
    }
    await until('calls are taken again', async () => (await ask(b, 'afterwards')).status === 200, 60_000);
    await expectConsistentSums(stack.postgres, stack.databaseUrl);
  });
});
