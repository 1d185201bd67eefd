import fc from 'fast-check';
import type { Payload } from '@temporalio/common';
import { expect, test } from 'vitest';
import { createHistorySealer } from '../../stores/crypto/history-key.ts';
import { createHistoryCodec, isSealedPayload } from './history-codec.ts';

const sealer = createHistorySealer(new Uint8Array(32).fill(1));
const former = createHistorySealer(new Uint8Array(32).fill(2));
const find = (id: string) => Promise.resolve(id === former.id ? former : null);
const codec = createHistoryCodec({ namespace: 'default', sealer, find });

const bytes = fc.uint8Array({ maxLength: 200 });
const payload = fc.record({ metadata: fc.dictionary(fc.string({ minLength: 1 }), bytes), data: bytes });
const plain = (value: Payload) => ({
  metadata: Object.fromEntries(Object.entries(value.metadata ?? {}).map(([name, each]) => [name, Buffer.from(each)])),
  data: Buffer.from(value.data ?? []),
});

test('any payloads come back as they were, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(payload, { maxLength: 4 }), async (given) => {
      const sealed = await codec.encode(given);
      expect(sealed.every(isSealedPayload)).toBe(true);
      expect((await codec.decode(sealed)).map(plain)).toEqual(given.map(plain));
    }),
    { numRuns: 100 },
  );
});

test('a payload without data or metadata comes back empty, and one payload is sealed differently each time', async () => {
  const [once, again] = await codec.encode([{}, {}]);
  expect(once).not.toEqual(again);
  expect((await codec.decode([once ?? {}])).map(plain)).toEqual([{ metadata: {}, data: Buffer.alloc(0) }]);
});

test('a changed byte anywhere in the sealed data is refused', async () => {
  const [sealed] = await codec.encode([{ data: Buffer.from('what was said') }]);
  const data = Buffer.from(sealed?.data ?? []);
  for (const index of [0, 1, 13, data.length - 1]) {
    const changed = Buffer.from(data);
    changed[index] = (changed[index] ?? 0) ^ 1;
    await expect(codec.decode([{ ...sealed, data: changed }])).rejects.toMatchObject({ code: 'invalid_request' });
  }
  await expect(codec.decode([{ metadata: sealed?.metadata ?? {} }])).rejects.toThrow(/does not open/);
});

test('without a sealer nothing is sealed, and what was sealed before, with this key or a former one, still opens', async () => {
  const given = [{ metadata: {}, data: Buffer.from('x') }];
  const open = createHistoryCodec({ namespace: 'default', sealer: null, find });
  expect(await open.encode(given)).toEqual(given);
  const before = createHistoryCodec({ namespace: 'default', sealer: former, find });
  for (const reader of [open, codec]) {
    expect((await reader.decode(await before.encode(given))).map(plain)).toEqual(given.map(plain));
  }
});
