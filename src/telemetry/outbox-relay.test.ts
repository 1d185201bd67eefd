import { expect, it } from 'vitest';
import type { OutboxEvent } from '../core/ports/ledger/upkeep.ts';
import { startOutboxRelay } from './outbox-relay.ts';

function outbox(count: number) {
  let events: OutboxEvent[] = Array.from({ length: count }, (_, id) => ({ id, type: 'call-end', at: 0, body: {} }));
  return {
    left: () => events.length,
    takeOutbox: (limit: number) => Promise.resolve(events.slice(0, limit)),
    ackOutbox(ids: readonly number[]) {
      events = events.filter(({ id }) => !ids.includes(id));
      return Promise.resolve();
    },
  };
}

it('emits every event once and empties the outbox, also beyond one batch', async () => {
  const ledger = outbox(450);
  const seen: number[] = [];
  const relay = startOutboxRelay({
    ledger,
    emit: ({ id }) => seen.push(id),
    onError: () => undefined,
    everyMs: 60_000,
  });
  await Promise.all([relay.flush(), relay.flush()]);
  relay.stop();
  expect(seen).toEqual(Array.from({ length: 450 }, (_, id) => id));
  expect(ledger.left()).toBe(0);
});

it('keeps an event whose emission failed for the next run', async () => {
  const ledger = outbox(1);
  let tries = 0;
  const relay = startOutboxRelay({
    ledger,
    emit() {
      tries += 1;
      if (tries === 1) throw new Error('the sink is full');
    },
    onError: () => undefined,
    everyMs: 60_000,
  });
  await expect(relay.flush()).rejects.toThrow('the sink is full');
  expect(ledger.left()).toBe(1);
  await relay.flush();
  relay.stop();
  expect(ledger.left()).toBe(0);
});
