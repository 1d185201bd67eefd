import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { redisUnavailableReason } from '../../../test/support/redis/binary.ts';
import { linkTo, useRedis } from '../../../test/support/redis/use-redis.ts';
import { startTcpProxy, type Judge } from '../../../test/support/tcp-proxy.ts';
import { until } from '../../../test/support/test-node.ts';
import { subscribeTo } from './subscription.ts';

const fail = (error: unknown) => expect.unreachable(String(error));

describe.skipIf(redisUnavailableReason())('a subscription', () => {
  const redis = useRedis();

  /** Of the channel `news`, through a network of its own; `say` says something there, past that network. */
  async function subscribed(judge: Judge) {
    const proxy = await startTcpProxy(Number(new URL(redis().url).port), judge);
    const link = await linkTo({ ...redis(), url: `redis://127.0.0.1:${String(proxy.port)}` });
    const heard: string[] = [];
    let losses = 0;
    const subscription = subscribeTo(link, 'news', {
      onMessage: (text) => heard.push(text),
      onRefusal: fail,
      onLoss: () => (losses += 1),
    });
    onTestFinished(() => subscription.close());
    await subscription.begun;
    return {
      heard,
      subscription,
      proxy,
      get losses() {
        return losses;
      },
      say: (text: string) => redis().command('publish', 'news', text),
    };
  }

  it('hears again after a loss, also where the next connection breaks in the moment of subscribing', async () => {
    let subscribes = 0;
    const at = await subscribed(({ text, isFromClient }) => {
      if (!isFromClient || !/subscribe/i.test(text)) return 'carry';
      subscribes += 1;
      return subscribes === 2 ? 'cut' : 'carry';
    });
    await redis().command('client', 'kill', 'type', 'pubsub');
    await until('it has lost both', () => at.losses === 2);
    await until('it is on again', () => at.subscription.isOn);
    expect(subscribes).toBe(3);
    await at.say('still there');
    await until('it is heard', () => at.heard.includes('still there'));
  });

  it('notices a connection that the network has forgotten, and makes another', async () => {
    let isForgetting = false;
    const at = await subscribed(({ connection }) => (isForgetting && connection <= 2 ? 'forget' : 'carry'));
    // The one of the link, and that of the subscription.
    expect(at.proxy.connections).toBe(2);
    isForgetting = true;
    await until('it has another', () => at.losses === 1 && at.subscription.isOn);
    await at.say('still there');
    await until('it is heard', () => at.heard.includes('still there'));
  });

  it('begins once Redis is there', async () => {
    await redis().kill();
    const link = await linkTo(redis());
    const heard: string[] = [];
    const subscription = subscribeTo(link, 'news', { onMessage: (text) => heard.push(text), onRefusal: fail });
    onTestFinished(() => subscription.close());
    expect(subscription.isOn).toBe(false);
    await redis().start();
    await subscription.begun;
    await redis().command('publish', 'news', 'hello');
    await until('it is heard', () => heard.includes('hello'));
  });

  it('that Redis refuses says why, once, and begins when it may', async () => {
    await redis().command('acl', 'setuser', 'default', '-subscribe');
    const told: unknown[] = [];
    const subscription = subscribeTo(await linkTo(redis()), 'news', {
      onMessage: () => undefined,
      onRefusal: (error) => told.push(error),
    });
    onTestFinished(() => subscription.close());
    await until('it is told', () => told.length > 0);
    // Longer than until it asks again, several times.
    await delay(900);
    expect(told).toMatchObject([{ message: expect.stringContaining('NOPERM') as string }]);
    expect(subscription.isOn).toBe(false);
    await redis().command('acl', 'setuser', 'default', '+subscribe');
    await subscription.begun;
    expect(subscription.isOn).toBe(true);
  });

  it('that was closed makes no connection any more', async () => {
    const at = await subscribed(() => 'carry');
    at.subscription.close();
    await until('it is off', () => !at.subscription.isOn);
    await until('Redis has seen it', async () => {
      const [, listeners] = (await redis().command('pubsub', 'numsub', 'news')) as [string, number];
      return listeners === 0;
    });
    await redis().command('client', 'kill', 'type', 'normal', 'skipme', 'yes');
    await until('the link is back', () => at.proxy.connections === 3);
    expect(at.subscription.isOn).toBe(false);
  });
});
