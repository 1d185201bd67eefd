import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { redisUnavailableReason } from '../../../test/support/redis/binary.ts';
import { linkTo, useRedis } from '../../../test/support/redis/use-redis.ts';
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts';
import { until } from '../../../test/support/test-node.ts';
import { createRedisPeers, type RedisPeers } from './peers.ts';

const fail = (error: unknown) => expect.unreachable(String(error));

describe.skipIf(redisUnavailableReason())('peers over Redis', () => {
  const redis = useRedis();

  async function nodeOf(fleet: string, node: string): Promise<RedisPeers> {
    const peers = await createRedisPeers({ link: await linkTo(redis(), { fleet }), node, onError: fail });
    onTestFinished(() => peers.close());
    return peers;
  }

  it('a node that lives says so at once, one that closed its connection or never was is gone at once', async () => {
    const [a, b] = await Promise.all([nodeOf('pair', 'a'), nodeOf('pair', 'b')]);
    expect([await a.isGone('b'), await b.isGone('a'), await a.isGone('never was')]).toEqual([false, false, true]);
    b.close();
    await until('Redis has seen it', async () => {
      const [, listeners] = (await redis().command('pubsub', 'numsub', 'holdfast:{pair}:node:b')) as [string, number];
      return listeners === 0;
    });
    const asked = performance.now();
    expect(await a.isGone('b')).toBe(true);
    // Who is merely silent is waited for, for a second.
    expect(performance.now() - asked).toBeLessThan(1_000);
  });

  it('a node of another fleet is nobody’s peer', async () => {
    const [a] = await Promise.all([nodeOf('one fleet', 'a'), nodeOf('another fleet', 'b')]);
    expect(await a.isGone('b')).toBe(true);
  });

  it('a machine that was lost keeps its connection: what says nothing for a second is gone', async () => {
    const a = await nodeOf('lost', 'a');
    const lost = await linkTo(redis(), { fleet: 'lost' });
    await lost.client.subscribe(`${lost.prefix}node:b`);
    const asked = performance.now();
    expect(await a.isGone('b')).toBe(true);
    expect(performance.now() - asked).toBeGreaterThan(990);
  });

  it('a node is not gone that answered in time, though who asks stood still until after the deadline', async () => {
    const link = await linkTo(redis(), { fleet: 'still' });
    const a = await createRedisPeers({ link, node: 'a', onError: fail });
    onTestFinished(() => a.close());
    const other = await linkTo(redis(), { fleet: 'still' });
    const heard: string[] = [];
    other.client.on('message', (_channel: string, text: string) => heard.push(text));
    await other.client.subscribe(`${other.prefix}node:b`);
    const verdict = a.isGone('b');
    await until('it is asked', () => heard.length > 0);
    // Timers come next, and sockets after them. Redis passes the answer on while this process does nothing.
    await nextTurn();
    const answered = link.client.publish(`${link.prefix}node:a`, 'alive b');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);
    expect(await verdict).toBe(false);
    await answered;
  });

  it('a node that lost its connection, and has it again in a moment, is not gone', async () => {
    const asking = await linkTo(redis(), { fleet: 'back' });
    const a = await createRedisPeers({ link: asking, node: 'a', onError: fail });
    onTestFinished(() => a.close());
    const isBack = Promise.withResolvers<void>();
    const publish = asking.client.publish.bind(asking.client);
    let questions = 0;
    vi.spyOn(asking.client, 'publish').mockImplementation(async (channel, message) => {
      questions += 1;
      // On a slow machine the other may need longer to return than this node needs to ask again.
      if (questions === 2) await isBack.promise;
      return await publish(channel, message);
    });
    const verdict = a.isGone('b');
    await until('nobody was there', () => questions === 2);
    await nodeOf('back', 'b');
    isBack.resolve();
    expect(await verdict).toBe(false);
  });

  it('a node that loses its own connection while it waits for an answer says nothing of others', async () => {
    const a = await nodeOf('deaf', 'a');
    const silent = await linkTo(redis(), { fleet: 'deaf' });
    await silent.client.subscribe(`${silent.prefix}node:b`);
    const verdict = a.isGone('b');
    await redis().command('client', 'kill', 'type', 'pubsub');
    expect(await verdict).toBe(false);
  });

  it('a node that hears nothing any more, and does not know it yet, says nothing of others', async () => {
    let isDeaf = false;
    const port = Number(new URL(redis().url).port);
    // The first connection is for questions, the second for answers.
    const proxy = await startTcpProxy(port, ({ connection }) => (isDeaf && connection === 2 ? 'forget' : 'carry'));
    const link = await linkTo(
      { ...redis(), url: `redis://127.0.0.1:${String(proxy.port)}` },
      { fleet: 'hard of hearing' },
    );
    const a = await createRedisPeers({ link, node: 'a', onError: fail });
    onTestFinished(() => a.close());
    await nodeOf('hard of hearing', 'b');
    expect(await a.isGone('b')).toBe(false);
    isDeaf = true;
    expect(await a.isGone('b')).toBe(false);
  });

  it('many who ask for one node at once ask once', async () => {
    const a = await nodeOf('once', 'a');
    const other = await linkTo(redis(), { fleet: 'once' });
    const heard: string[] = [];
    other.client.on('message', (_channel: string, text: string) => heard.push(text));
    await other.client.subscribe(`${other.prefix}node:b`);
    expect(await Promise.all(Array.from({ length: 20 }, () => a.isGone('b')))).toEqual(Array(20).fill(true));
    expect(heard).toEqual(['who-asks a']);
  });

  it('a node that begins while Redis is away says nothing of others either until they had the time to return', async () => {
    await redis().kill();
    const a = await nodeOf('began', 'a');
    // Where it has its connection again before this test knows that Redis is there, it has waited all the same.
    const before = Date.now();
    await redis().start();
    await until('it can tell', () => a.isGone('never was'));
    expect(Date.now() - before).toBeGreaterThan(2_990);
  });

  it('without Redis, and for a moment after its return, nobody is gone; then the living are found again', async () => {
    const [a, b] = await Promise.all([nodeOf('away', 'a'), nodeOf('away', 'b')]);
    await redis().kill();
    await until('it is away', async () => !(await a.isGone('never was')));
    expect(await a.isGone('b')).toBe(false);
    const before = Date.now();
    await redis().start();
    await until('it can tell again', async () => {
      expect(await a.isGone('b')).toBe(false);
      return await a.isGone('never was');
    });
    expect(Date.now() - before).toBeGreaterThan(2_990);
    await until('the other can, too', () => b.isGone('never was'));
    expect([await a.isGone('b'), await b.isGone('a')]).toEqual([false, false]);
  });
});
