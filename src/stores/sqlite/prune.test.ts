import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { DAY_MS, acceptInput, accepted } from '../contract/fixture.ts';
import { temporaryLedger } from './temporary-ledger.ts';

const long = (seed: number) => Buffer.alloc(60_000, `request ${String(seed)} `);

test('whether an open call needs a payload is asked of an index, once for each payload that is pruned', async () => {
  const { path } = await temporaryLedger();
  const database = new DatabaseSync(path);
  const plan = database
    .prepare("explain query plan select id from calls where state <> 'ended' and request_ref = 'p'")
    .all();
  database.close();
  expect(JSON.stringify(plan)).toContain('SEARCH calls USING INDEX calls_open_request');
});

test('one open call with a damaged request is named, and keeps neither others from being kept nor anything from being pruned', async () => {
  const { ledger, payloads, path, clock } = await temporaryLedger();
  const refs = new Map<string, string>();
  for (const [seed, id] of ['a', 'b', 'c'].entries()) {
    const result = await ledger.accept(acceptInput(id, { requestBytes: long(seed) }));
    if (result.status !== 'accepted') throw new Error(result.status);
    refs.set(id, result.input.requestRef ?? '');
  }
  const ended = await accepted(ledger, 'ended');
  await ledger.settle({ callId: ended, outcome: 'cancelled', answerRef: null, error: null });
  const database = new DatabaseSync(path);
  database.prepare("update payloads set sealed = x'00' where ref = ?").run(refs.get('a') ?? '');
  database.close();

  for (const _day of [1, 2, 3]) {
    clock.now += 2 * DAY_MS;
    expect(await ledger.prune(clock.now, DAY_MS)).toMatchObject({ damaged: ['a-g1'] });
  }

  expect(await ledger.getCall(ended)).toBeNull();
  for (const [seed, id] of ['a', 'b', 'c'].entries()) {
    const read = payloads.get(refs.get(id) ?? '');
    if (id === 'a') await expect(read).rejects.toThrow(/was changed. Restore a backup/);
    else expect(await read).toEqual(long(seed));
  }
});
