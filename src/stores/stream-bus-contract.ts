/** What every stream bus does for the doors and attempts of its own process. */
import { describe, expect, it } from 'vitest';
import { attemptStart as start } from '../../test/support/bus-messages.ts';
import type { CallView } from '../core/ports/ledger/views.ts';
import type { BusMessage } from '../core/ports/stream-bus.ts';
import type { MemoryStreamBus } from './memory/stream-bus.ts';

const frame = (attempt: number, seq: number): BusMessage => ({
  type: 'frame',
  attempt,
  seq,
  raw: { data: String(seq) },
  events: [],
});
const end: BusMessage = { type: 'call-end', call: { id: 'call' } as CallView };
const never = () => new AbortController().signal;

async function collect(messages: AsyncIterable<BusMessage[]>): Promise<BusMessage[]> {
  return (await Array.fromAsync(messages)).flat();
}

export function streamBusContract(create: () => MemoryStreamBus): void {
  describe('a subscriber', () => {
    it('that comes late sees everything from the start, and the end', async () => {
      const bus = create();
      const first = collect(bus.subscribe('call', never()));
      bus.publish('call', start(1));
      bus.publish('call', frame(1, 0));
      const late = collect(bus.subscribe('call', never()));
      bus.publish('call', frame(1, 1));
      bus.publish('call', end);
      const all = [start(1), frame(1, 0), frame(1, 1), end];
      expect(await first).toEqual(all);
      expect(await late).toEqual(all);
    });

    it('misses nothing that is published between subscribing and reading', async () => {
      const bus = create();
      const messages = bus.subscribe('call', never());
      expect(bus.publish('call', start(1))).toBe(1);
      bus.publish('call', end);
      expect(await collect(messages)).toEqual([start(1), end]);
    });

    it('that is slow gets what it missed in one batch, and holds up nobody', async () => {
      const bus = create();
      const slow = bus.subscribe('call', never())[Symbol.asyncIterator]();
      const quick = collect(bus.subscribe('call', never()));
      bus.publish('call', start(1));
      expect(await slow.next()).toMatchObject({ value: [start(1)] });
      for (let seq = 0; seq < 1_000; seq++) bus.publish('call', frame(1, seq));
      bus.publish('call', end);
      expect(await quick).toHaveLength(1_002);
      const { value } = (await slow.next()) as { value: BusMessage[] };
      expect(value).toHaveLength(1_001);
      expect(await slow.next()).toMatchObject({ done: true });
    });

    it('sees only its own call', async () => {
      const bus = create();
      const mine = collect(bus.subscribe('mine', never()));
      expect(bus.publish('other', start(1))).toBe(0);
      bus.publish('mine', end);
      expect(await mine).toEqual([end]);
    });

    it('keeps both attempts when it was there for the first: it must see that the first was lost', async () => {
      const bus = create();
      const watching = collect(bus.subscribe('call', never()));
      for (const message of [start(1), frame(1, 0), start(2), frame(2, 0), end]) bus.publish('call', message);
      expect(await watching).toEqual([start(1), frame(1, 0), start(2), frame(2, 0), end]);
    });
  });

  describe('without subscribers', () => {
    it('an attempt that begins drops what nobody saw', async () => {
      const bus = create();
      const stop = bus.onCancel('call', () => undefined);
      for (const message of [start(1), frame(1, 0), frame(1, 1), start(2), frame(2, 0)]) {
        expect(bus.publish('call', message)).toBe(0);
      }
      const late = collect(bus.subscribe('call', never()));
      bus.publish('call', end);
      stop();
      expect(await late).toEqual([start(2), frame(2, 0), end]);
    });

    it('a call that ends leaves no channel behind', () => {
      const bus = create();
      const stop = bus.onCancel('call', () => undefined);
      bus.publish('call', start(1));
      bus.publish('call', end);
      expect(bus.channels).toBe(1);
      stop();
      expect(bus.channels).toBe(0);
      bus.publish('only-its-end', end);
      expect(bus.channels).toBe(0);
    });

    it('what is said of a call that does not run here leaves no channel behind', () => {
      const bus = create();
      bus.publish('call', { type: 'attempt-failed', attempt: 1, code: 'provider_unavailable', delivered: false });
      expect(bus.channels).toBe(0);
      expect(bus.heldOf('call')).toEqual([]);
    });
  });

  describe('a channel', () => {
    it('is freed when the last reader has read the end', async () => {
      const bus = create();
      const readers = [collect(bus.subscribe('call', never())), collect(bus.subscribe('call', never()))];
      bus.publish('call', end);
      expect(bus.channels).toBe(1);
      await Promise.all(readers);
      expect(bus.channels).toBe(0);
    });

    it('is freed when its readers abort before the first message, while they wait, or before they read', async () => {
      const bus = create();
      const waiting = new AbortController();
      const reading = collect(bus.subscribe('waiting', waiting.signal));
      const unread = new AbortController();
      bus.subscribe('unread', unread.signal);
      expect(bus.channels).toBe(2);
      waiting.abort();
      unread.abort();
      expect(await reading).toEqual([]);
      expect(bus.channels).toBe(0);
    });

    it('is freed when a reader breaks off', async () => {
      const bus = create();
      const messages = bus.subscribe('call', never());
      bus.publish('call', start(1));
      for await (const batch of messages) {
        expect(batch).toEqual([start(1)]);
        break;
      }
      expect(bus.channels).toBe(0);
    });

    it('of a call that runs elsewhere is freed when its last reader leaves in mid-stream', async () => {
      const bus = create();
      const controller = new AbortController();
      const gone = collect(bus.subscribe('call', controller.signal));
      bus.publish('call', start(1));
      bus.publish('call', frame(1, 0));
      controller.abort();
      expect(bus.channels).toBe(0);
      // Whoever brings it here begins at its start once more.
      const back = collect(bus.subscribe('call', never()));
      for (const message of [start(1), frame(1, 0), frame(1, 1), end]) bus.publish('call', message);
      expect(await back).toEqual([start(1), frame(1, 0), frame(1, 1), end]);
      await gone;
    });

    it('of a call that runs here is kept for the reader that comes back: it has each message once', async () => {
      const bus = create();
      const stop = bus.onCancel('call', () => undefined);
      const controller = new AbortController();
      const gone = collect(bus.subscribe('call', controller.signal));
      bus.publish('call', start(1));
      bus.publish('call', frame(1, 0));
      controller.abort();
      await gone;
      bus.publish('call', frame(1, 1));
      const back = collect(bus.subscribe('call', never()));
      bus.publish('call', end);
      stop();
      expect(await back).toEqual([start(1), frame(1, 0), frame(1, 1), end]);
    });

    it('is not kept for a reader that had aborted before it subscribed', async () => {
      const bus = create();
      const messages = bus.subscribe('call', AbortSignal.abort());
      expect(bus.publish('call', start(1))).toBe(0);
      bus.publish('call', end);
      expect(bus.channels).toBe(0);
      expect(await collect(messages)).toEqual([]);
    });

    it('that was freed and comes again is not taken away by a reader of the old one', async () => {
      const bus = create();
      const controller = new AbortController();
      const old = collect(bus.subscribe('call', controller.signal));
      controller.abort();
      const again = collect(bus.subscribe('call', never()));
      await old;
      expect(bus.publish('call', start(2))).toBe(1);
      expect(bus.publish('call', end)).toBe(1);
      expect(await again).toEqual([start(2), end]);
    });
  });

  describe('a reader that aborts', () => {
    it('ends at once, without what was published after', async () => {
      const bus = create();
      const controller = new AbortController();
      const reader = bus.subscribe('call', controller.signal)[Symbol.asyncIterator]();
      bus.publish('call', start(1));
      await reader.next();
      const waiting = reader.next();
      controller.abort();
      expect(await waiting).toMatchObject({ done: true });
      expect(bus.publish('call', frame(1, 0))).toBe(0);
    });

    it('leaves the others reading', async () => {
      const bus = create();
      const controller = new AbortController();
      const gone = collect(bus.subscribe('call', controller.signal));
      const stays = collect(bus.subscribe('call', never()));
      bus.publish('call', start(1));
      controller.abort();
      bus.publish('call', end);
      expect(await stays).toEqual([start(1), end]);
      await gone;
    });
  });

  describe('a cancel', () => {
    it('reaches every listener of that call, and says whether there was one', () => {
      const bus = create();
      const heard: string[] = [];
      const stopFirst = bus.onCancel('call', () => heard.push('first'));
      const stopSecond = bus.onCancel('call', () => heard.push('second'));
      bus.onCancel('other', () => heard.push('other'))();
      expect(bus.requestCancel('call')).toBe(true);
      expect(heard).toEqual(['first', 'second']);
      stopFirst();
      stopSecond();
      expect(bus.requestCancel('call')).toBe(false);
      expect(bus.requestCancel('never-seen')).toBe(false);
      expect(bus.channels).toBe(0);
    });

    it('may be answered by a listener that stops listening', () => {
      const bus = create();
      let heard = 0;
      const stop = bus.onCancel('call', () => {
        heard += 1;
        stop();
      });
      bus.onCancel('call', () => (heard += 1));
      bus.requestCancel('call');
      expect(heard).toBe(2);
    });
  });

  describe('an attempt that ends without the end of its call', () => {
    it('leaves no channel behind when nobody follows it', () => {
      const bus = create();
      const stop = bus.onCancel('call', () => undefined);
      bus.publish('call', start(1));
      bus.publish('call', frame(1, 0));
      expect(bus.isRunHere('call')).toBe(true);
      stop();
      expect(bus.isRunHere('call')).toBe(false);
      expect(bus.channels).toBe(0);
    });

    it('leaves what it said to those who follow it', async () => {
      const bus = create();
      const stop = bus.onCancel('call', () => undefined);
      const following = collect(bus.subscribe('call', never()));
      bus.publish('call', start(1));
      stop();
      bus.publish('call', start(2));
      bus.publish('call', end);
      expect(await following).toEqual([start(1), start(2), end]);
    });
  });
}
