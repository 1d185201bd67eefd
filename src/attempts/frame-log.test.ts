import { describe, expect, it } from 'vitest';
import type { ChatEvent } from '../core/chat.ts';
import type { BusMessage, StreamBus } from '../core/ports/stream-bus.ts';
import { createFrameLog } from './frame-log.ts';

const START: ChatEvent = { type: 'start', id: 'r1', model: 'm', created: 1 };
const USAGE = { type: 'usage', usage: {}, serviceTier: null } as unknown as ChatEvent;
const TEXT: ChatEvent = { type: 'text-delta', choice: 0, text: 'x' };

function logWith(readers: number, onFirst: (id: string | null) => Promise<unknown> = () => Promise.resolve()) {
  const published: BusMessage[] = [];
  const defects: unknown[] = [];
  const bus = {
    publish(_callId: string, message: BusMessage) {
      published.push(message);
      return readers;
    },
  } as unknown as StreamBus;
  return { published, frames: createFrameLog(bus, 'call', 3, onFirst, (error) => defects.push(error)), defects };
}

describe('delivered', () => {
  const cases: [string, number, ChatEvent[], boolean][] = [
    ['content to a reader', 1, [TEXT], true],
    ['content to nobody', 0, [TEXT], false],
    ['the start alone to a reader', 1, [START], false],
    ['usage alone to a reader', 1, [USAGE], false],
    ['an event without meaning to a reader', 1, [], false],
    ['start and content in one event', 2, [START, TEXT], true],
    ['a finish to a reader', 1, [{ type: 'finish', choice: 0, reason: 'stop', rawReason: null }], true],
    ['reasoning to a reader', 1, [{ type: 'reasoning-delta', choice: 0, text: 'r' }], true],
    ['a tool call to a reader', 1, [{ type: 'tool-call-start', choice: 0, index: 0, id: 'i', name: 'n' }], true],
  ];
  it.each(cases)('%s', (_, readers, events, expected) => {
    const { frames } = logWith(readers);
    frames.add({ data: 'a' }, events);
    expect(frames.wasDelivered).toBe(expected);
    frames.add({ data: 'b' }, []);
    expect(frames.wasDelivered).toBe(expected);
  });
});

it('numbers frames from 0, keeps them raw, and is null before the first', () => {
  const { frames, published } = logWith(0);
  expect(frames.log).toBeNull();
  frames.add({ event: 'x', data: 'a' }, [START]);
  frames.add({ data: 'b' }, [TEXT]);
  expect(frames.log).toEqual([{ event: 'x', data: 'a' }, { data: 'b' }]);
  expect(published).toMatchObject([
    { type: 'frame', attempt: 3, seq: 0 },
    { type: 'frame', attempt: 3, seq: 1, events: [TEXT] },
  ]);
});

it('tells the ledger once, with the id of the answer where the first event has it', async () => {
  const told: (string | null)[] = [];
  const tell = (id: string | null) => Promise.resolve(told.push(id));
  const named = logWith(0, tell).frames;
  named.add({ data: 'a' }, [START]);
  named.add({ data: 'b' }, [START]);
  logWith(0, tell).frames.add({ data: 'a' }, [TEXT]);
  await named.settled();
  expect(told).toEqual(['r1', null]);
});

it('goes on when the ledger could not be told: its state is not worth the answer', async () => {
  const { frames, defects } = logWith(0, () => Promise.reject(new Error('ledger is gone')));
  frames.add({ data: 'a' }, [START]);
  frames.add({ data: 'b' }, [TEXT]);
  await expect(frames.settled()).resolves.toBeUndefined();
  expect(defects).toMatchObject([{ message: 'ledger is gone' }]);
});
