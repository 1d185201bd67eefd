import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { attemptStart as start } from '../../../test/support/bus-messages.ts';
import { redisUnavailableReason } from '../../../test/support/redis/binary.ts';
import { linkTo, PATIENT_MS, useRedis } from '../../../test/support/redis/use-redis.ts';
import { until } from '../../../test/support/test-node.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import type { BusMessage } from '../../core/ports/stream-bus.ts';
import { streamBusContract } from '../stream-bus-contract.ts';
import { connectRedis, type RedisLink } from './redis-link.ts';
import { createRedisStreamBus, type RedisStreamBus } from './stream-bus.ts';

const sealKey = new Uint8Array(32).fill(7);
const TEXT = 'a secret answer';
const frame = (attempt: number, seq: number): BusMessage => ({
  type: 'frame',
  attempt,
  seq,
  raw: { data: `${TEXT} ${String(seq)}` },
  events: [],
});
const end: BusMessage = { type: 'call-end', call: { id: 'call' } as CallView };
const never = () => new AbortController().signal;
const fail = (error: unknown) => expect.unreachable(String(error));

async function collect(messages: AsyncIterable<BusMessage[]>): Promise<BusMessage[]> {
  return (await Array.fromAsync(messages)).flat();
}

describe.skipIf(redisUnavailableReason())('over Redis', () => {
  const redis = useRedis();
  let nodes = 0;

  async function busAt(fleet: string, onError: (error: unknown) => void = fail): Promise<RedisStreamBus> {
    const link = await linkTo(redis(), { fleet });
    const bus = await createRedisStreamBus({ link, node: `node-${String((nodes += 1))}`, sealKey, onError });
    onTestFinished(() => bus.close());
    return bus;
  }

  const pair = async (fleet: string, onError?: (error: unknown) => void) =>
    await Promise.all([busAt(fleet, onError), busAt(fleet, onError)]);

  describe('as every bus', () => {
    let link: RedisLink;
    const buses: RedisStreamBus[] = [];
    beforeAll(async () => {
      link = await connectRedis({ url: redis().url, fleet: 'contract', commandTimeoutMs: PATIENT_MS });
      for (let n = 0; n < 30; n++) {
        buses.push(await createRedisStreamBus({ link, node: `contract-${String(n)}`, sealKey, onError: fail }));
      }
    });
    afterAll(() => {
      for (const bus of buses) bus.close();
      link.close();
    });
    let next = 0;
    streamBusContract(() => buses[next++]!);
  });

  it('G7 a node that comes late has everything of a call that another one runs, in order and once', async () => {
    const [here, there] = await pair('late');
    const stop = here.onCancel('call', () => undefined);
    here.publish('call', start(1));
    for (let seq = 0; seq < 50; seq++) here.publish('call', frame(1, seq));
    const late = collect(there.subscribe('call', never()));
    await until('it is asked for', () => here.publish('call', frame(1, 0)) > 0);
    for (let seq = 50; seq < 300; seq++) here.publish('call', frame(1, seq));
    here.publish('call', end);
    stop();
    expect(await late).toEqual([start(1), ...Array.from({ length: 300 }, (_, seq) => frame(1, seq)), end]);
    // The follower has the end before the sender hears from Redis that it took it.
    await until('nothing is kept', () => there.channels + here.channels === 0);
  });

  it('an attempt that begins on another node finds who follows the call already', async () => {
    const [here, there] = await pair('retry');
    const following = collect(there.subscribe('call', never()));
    // Longer than it takes to say so, shorter than until it is said again.
    await delay(600);
    const stop = here.onCancel('call', () => undefined);
    for (const message of [start(2), frame(2, 0), frame(2, 1)]) here.publish('call', message);
    await until('it is followed', () => here.publish('call', frame(2, 0)) > 0, 4_500);
    here.publish('call', end);
    stop();
    expect(await following).toEqual([start(2), frame(2, 0), frame(2, 1), end]);
  });

  it('a reader that leaves in mid-stream and comes back to the same node has each text once, and at once', async () => {
    const [here, there] = await pair('back');
    const stop = here.onCancel('call', () => undefined);
    for (const message of [start(1), frame(1, 0), frame(1, 1)]) here.publish('call', message);
    const controller = new AbortController();
    const first: BusMessage[] = [];
    for await (const batch of there.subscribe('call', controller.signal)) {
      first.push(...batch);
      if (first.length === 3) controller.abort();
    }
    expect(first).toEqual([start(1), frame(1, 0), frame(1, 1)]);
    expect(there.channels).toBe(0);
    const seen: BusMessage[] = [];
    const following = (async () => {
      for await (const batch of there.subscribe('call', never())) seen.push(...batch);
    })();
    // Nothing new is said meanwhile.
    await until('it has what was said', () => seen.length === 3, 4_500);
    here.publish('call', frame(1, 2));
    here.publish('call', end);
    stop();
    await following;
    expect(seen).toEqual([start(1), frame(1, 0), frame(1, 1), frame(1, 2), end]);
    await until('nothing is kept', () => there.channels + here.channels === 0);
  });

  it('what an attempt said where it ran is not taken once more from the node that runs the next one', async () => {
    const [here, there] = await pair('moved');
    const following = collect(there.subscribe('call', never()));
    await until('it asked', async () => (await redis().command('exists', 'holdfast:{moved}:wants:call')) === 1);
    const stopFirst = there.onCancel('call', () => undefined);
    const seenHere: BusMessage[] = [];
    const reading = (async () => {
      for await (const batch of here.subscribe('call', never())) seenHere.push(...batch);
    })();
    there.publish('call', start(1));
    there.publish('call', frame(1, 0));
    await until('the other node has it', () => seenHere.length === 2);
    stopFirst();
    const stop = here.onCancel('call', () => undefined);
    for (const message of [start(2), frame(2, 0)]) here.publish('call', message);
    await until('it is followed', () => here.publish('call', frame(2, 0)) > 1, 4_500);
    here.publish('call', end);
    stop();
    expect(await following).toEqual([start(1), frame(1, 0), start(2), frame(2, 0), end]);
    await reading;
  });

  it('who comes back where a third node keeps the channel has nothing twice', async () => {
    const [first, second] = await pair('third');
    const third = await busAt('third');
    const stopFirst = first.onCancel('call', () => undefined);
    const controller = new AbortController();
    const seen: BusMessage[] = [];
    const leaving = (async () => {
      for await (const batch of first.subscribe('call', controller.signal)) seen.push(...batch);
    })();
    const following = collect(third.subscribe('call', never()));
    // This reader's node asks the others once no attempt runs there.
    await until('it is mirrored', () => first.publish('call', start(1)) > 1);
    first.publish('call', frame(1, 0));
    stopFirst();
    const stop = second.onCancel('call', () => undefined);
    for (const message of [start(2), frame(2, 0)]) second.publish('call', message);
    const isOfSecond = (message?: BusMessage) => message?.type === 'frame' && message.attempt === 2;
    await until('it has the second attempt', () => isOfSecond(seen.at(-1)));
    controller.abort();
    await leaving;
    expect(first.channels).toBe(1);
    const back: BusMessage[] = [];
    const returned = (async () => {
      for await (const batch of first.subscribe('call', never())) back.push(...batch);
    })();
    // Longer than it takes to ask, and to be sent everything once more.
    await delay(700);
    second.publish('call', frame(2, 1));
    await until('it has the rest', () => back.some((message) => message.type === 'frame' && message.seq === 1));
    second.publish('call', end);
    stop();
    await Promise.all([returned, following]);
    const frames = back.filter(({ type }) => type === 'frame');
    expect(frames).toEqual([frame(1, 0), frame(2, 0), frame(2, 1)]);
  });

  it('one connection reads for all that is followed, one call after the other', async () => {
    const fleet = 'one-reader';
    const [here, link] = await Promise.all([busAt(fleet), linkTo(redis(), { fleet })]);
    const there = await createRedisStreamBus({ link, node: 'reader', sealKey, onError: fail });
    onTestFinished(() => there.close());
    const another = vi.spyOn(link, 'another');
    for (const call of ['first', 'second', 'third']) {
      const stop = here.onCancel(call, () => undefined);
      here.publish(call, start(1));
      const following = collect(there.subscribe(call, never()));
      await until('it is followed', () => here.publish(call, start(1)) > 0);
      here.publish(call, end);
      stop();
      expect((await following).at(-1)).toEqual(end);
      await until('it reads no more', async () => !/ flags=\S*b/.test(String(await redis().command('client', 'list'))));
    }
    expect(another).not.toHaveBeenCalled();
  });

  it('what cannot be read in an inbox is told, and holds up nothing behind it', async () => {
    const fleet = 'unreadable';
    const [here, link] = await Promise.all([busAt(fleet), linkTo(redis(), { fleet })]);
    const told: unknown[] = [];
    const there = await createRedisStreamBus({ link, node: 'reader', sealKey, onError: (error) => told.push(error) });
    onTestFinished(() => there.close());
    const inbox = `holdfast:{${fleet}}:inbox:reader`;
    await redis().command('xadd', inbox, '*', 'c', 'call', 'b', 'sealed with no key of ours');
    const stop = here.onCancel('call', () => undefined);
    here.publish('call', start(1));
    const following = collect(there.subscribe('call', never()));
    await until('it is followed', () => here.publish('call', frame(1, 0)) > 0);
    here.publish('call', end);
    stop();
    expect(await following).toEqual([start(1), frame(1, 0), end]);
    expect(told).toHaveLength(1);
    await until('it is removed', async () => (await redis().command('xlen', inbox)) === 0);
  });

  it('a call whose client is where it runs leaves nothing in Redis', async () => {
    const [here] = await pair('local');
    const following = collect(here.subscribe('call', never()));
    const stop = here.onCancel('call', () => undefined);
    here.publish('call', start(1));
    await delay(600);
    expect(await redis().command('keys', 'holdfast:{local}:*')).toEqual([]);
    here.publish('call', end);
    stop();
    await following;
  });

  it('G5 what goes through Redis is sealed, and goes when it was read', async () => {
    const [here, there] = await pair('sealed');
    const stop = here.onCancel('call', () => undefined);
    here.publish('call', start(1));
    const monitor = await linkTo(redis(), { fleet: 'sealed' });
    const seen: string[] = [];
    const watching = await monitor.client.monitor();
    onTestFinished(() => watching.disconnect());
    watching.on('monitor', (_time: string, args: string[]) => seen.push(args.join(' ')));
    const following = collect(there.subscribe('call', never()));
    await until('it is followed', () => here.publish('call', start(1)) > 0);
    here.publish('call', frame(1, 0));
    here.publish('call', end);
    stop();
    expect((await following).map(({ type }) => type)).toEqual(['attempt-start', 'frame', 'call-end']);
    await until('it is removed', async () => {
      const inboxes = (await redis().command('keys', 'holdfast:{sealed}:inbox:*')) as string[];
      const lengths = await Promise.all(inboxes.map((key) => redis().command('xlen', key)));
      return lengths.every((length) => length === 0);
    });
    // The monitor is a connection of its own: it has seen all of the call once it sees what is said after it.
    await redis().command('echo', 'the last');
    await until('all is seen', () => seen.includes('echo the last'));
    expect(seen.some((line) => line.includes('xadd'))).toBe(true);
    expect(seen.join('\n')).not.toContain(TEXT);
  });

  it('a cancel reaches the node that runs the call within a second', async () => {
    const [here, there] = await pair('cancel');
    const { promise: heard, resolve } = Promise.withResolvers<number>();
    here.onCancel('call', () => resolve(Date.now()));
    const asked = Date.now();
    expect(there.requestCancel('call')).toBe(false);
    expect((await heard) - asked).toBeLessThan(1_000);
  });

  it('after Redis was lost in the middle of a stream the follower has all of it, once', async () => {
    const [here, there] = await pair('lost', () => undefined);
    const stop = here.onCancel('call', () => undefined);
    here.publish('call', start(1));
    const seen: BusMessage[] = [];
    const following = (async () => {
      for await (const batch of there.subscribe('call', never())) seen.push(...batch);
    })();
    await until('it is followed', () => here.publish('call', start(1)) > 0);
    here.publish('call', frame(1, 0));
    await until('the first frame is there', () => seen.length === 2);
    await redis().kill();
    for (let seq = 1; seq < 20; seq++) here.publish('call', frame(1, seq));
    await redis().start();
    await until('the rest is there', () => seen.length === 21, 20_000);
    here.publish('call', end);
    stop();
    await following;
    expect(seen).toEqual([start(1), ...Array.from({ length: 20 }, (_, seq) => frame(1, seq)), end]);
  });
});
