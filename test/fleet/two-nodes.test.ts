/** Two nodes, one Temporal server, one ledger in PostgreSQL. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeConnection } from '@temporalio/worker';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSettings } from '../../src/config/load.ts';
import { startNode, type HoldfastNode } from '../../src/gateway/node.ts';
import { providerAdapters } from '../../src/providers/registry.ts';
import { connectNative } from '../../src/temporal/connection.ts';
import { postgresUnavailableReason } from '../support/postgres/binaries.ts';
import { expectConsistentSums } from '../support/postgres/consistent-sums.ts';
import { rawClient, useCluster } from '../support/postgres/ledgers.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

const CONFIG = `
providers:${SIM_PROVIDER}
stores: { ledger: postgres, postgresUrl: env:DATABASE_URL }
`;

describe.skipIf(postgresUnavailableReason())('two nodes at one ledger in PostgreSQL', () => {
  const cluster = useCluster();
  let first: TestNode;
  let second: HoldfastNode;
  let connection: NativeConnection;
  let secondHome: string;
  let env: Record<string, string>;
  /** While it is set, the second node stands still between an acceptance and its start. */
  let hung: PromiseWithResolvers<void> | null = null;
  const hang = async <T>(during: () => Promise<T>): Promise<T> => {
    hung = Promise.withResolvers<void>();
    try {
      return await during();
    } finally {
      hung.resolve();
      hung = null;
    }
  };

  beforeAll(async () => {
    const HOLDFAST_MASTER_KEY = Buffer.alloc(32, 1).toString('base64');
    env = { HOLDFAST_MASTER_KEY, DATABASE_URL: await cluster().newSchema() };
    first = await startTestNode({ config: CONFIG, env });
    secondHome = await mkdtemp(join(tmpdir(), 'holdfast-node-'));
    const text = `gateway: { port: 0 }\n${CONFIG.replaceAll('SIM', first.simulator.url)}`;
    // The engine allows one worker of a queue for each connection of a process.
    connection = await connectNative({ address: first.server.address });
    second = await startNode({
      settings: parseSettings(text, 'test', { env, adapters: providerAdapters }),
      home: secondHome,
      env,
      connection,
      namespace: first.server.namespace,
      logger: pino({ level: 'silent' }),
      faults: { reach: (point) => (point === 'after-accept' ? hung?.promise : undefined) },
    });
  });
  afterAll(async () => {
    await second.drain();
    await connection.close();
    await first.stop();
    await rm(secondHome, { recursive: true, force: true });
  });

  const ask = (url: string, content: string, key: string) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ model: 'sim/sim-small', messages: [{ role: 'user', content }] }),
    });

  it('G3 one key at both doors at once: the provider is asked once, and both callers have its answer', async () => {
    const before = first.simulator.count;
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) => ask(index % 2 ? first.url : second.url, 'hello', 'order-1')),
    );
    expect(replies.map(({ status }) => status)).toEqual(Array<number>(8).fill(200));
    expect(new Set(replies.map(({ headers }) => headers.get('x-holdfast-call-id'))).size).toBe(1);
    expect(new Set(await Promise.all(replies.map((reply) => reply.text()))).size).toBe(1);
    expect(first.simulator.count - before).toBe(1);
  });

  it('a call that one node answered is replayed and shown by the other', async () => {
    const before = first.simulator.count;
    const reply = await ask(first.url, 'again', 'order-2');
    const replayed = await ask(second.url, 'again', 'order-2');
    expect(replayed.headers.get('idempotent-replayed')).toBe('true');
    expect(await replayed.text()).toBe(await reply.text());
    expect(first.simulator.count - before).toBe(1);
    const id = reply.headers.get('x-holdfast-call-id') ?? '';
    const shown = (await (await fetch(`${second.url}/api/v1/calls/${id}`)).json()) as object;
    expect(shown).toMatchObject({ id, state: 'ended', outcome: 'succeeded' });
    await expectConsistentSums(cluster(), env['DATABASE_URL'] ?? '');
  });

  const acceptedCalls = async () =>
    ((await (await fetch(`${first.url}/api/v1/calls?state=admitted`)).json()) as { calls: { id: string }[] }).calls;

  it('a call whose door died before the start is started by the door that is asked for it next', async () => {
    const before = first.simulator.count;
    const [lost, reply] = await hang(async () => {
      const lost = ask(second.url, 'lost', 'order-3');
      await until('the call is accepted', async () => (await acceptedCalls()).length === 1);
      return [lost, await ask(first.url, 'lost', 'order-3')] as const;
    });
    expect(reply.status).toBe(200);
    // The door was only slow: its own start comes too late to do anything, and its caller has the same answer.
    expect(await (await lost).text()).toBe(await reply.text());
    expect(first.simulator.count - before).toBe(1);
  });

  it('it is started also when nobody asks again, by any node that lives', async () => {
    const before = first.simulator.count;
    const [lost] = await hang(async () => {
      const lost = ask(second.url, 'nobody asks', 'order-4');
      await until('the call is accepted', async () => (await acceptedCalls()).length === 1);
      await until('the call has left', async () => Promise.resolve(first.simulator.count > before));
      return [lost] as const;
    });
    expect((await lost).status).toBe(200);
    expect(first.simulator.count - before).toBe(1);
  });

  it('G3 a call without a key that its client left at one door is given to the repeat at the other', async () => {
    const before = first.simulator.count;
    const gone = new AbortController();
    const askWithoutKey = (url: string, headers: Record<string, string>, signal: AbortSignal | null = null) =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-holdfast-on-disconnect': 'continue', ...headers },
        body: JSON.stringify({ model: 'sim/sim-small+delay=1500', messages: [{ role: 'user', content: 'left' }] }),
        signal,
      });
    const left = askWithoutKey(second.url, {}, gone.signal).catch(() => null);
    await until('it is at the provider', () => first.simulator.count > before);
    gone.abort();
    await left;
    const client = await rawClient(env['DATABASE_URL'] ?? '');
    await until('its door has noticed', async () => {
      const { rows } = await client.query('select 1 from calls where repeat_hash is not null and door is null');
      return rows.length === 1;
    });
    const repeat = await askWithoutKey(first.url, { 'x-stainless-retry-count': '1' });
    expect(repeat.headers.get('idempotent-replayed')).toBe('true');
    expect(repeat.status).toBe(200);
    expect(first.simulator.count - before).toBe(1);
    // It was given: nothing is owed any more.
    expect((await client.query('select 1 from calls where repeat_hash is not null')).rows).toEqual([]);
  });

  it('both are ready', async () => {
    for (const url of [first.url, second.url]) expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  });
});
