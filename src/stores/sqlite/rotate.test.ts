import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { HOUR_MS, START, bytes } from '../contract/fixture.ts';
import { temporaryLedger } from './temporary-ledger.ts';

function run(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

test('a change of data keys that was cut short is finished by the next one', async () => {
  const { payloads, keys, path } = await temporaryLedger();
  const ref = await payloads.put('acme', bytes('before'), START + HOUR_MS);
  run(path, "update data_keys set state = 'retired' where purpose = 'payloads'");
  const after = await payloads.put('acme', bytes('between'), START + HOUR_MS);
  expect(await payloads.get(ref)).toEqual(bytes('before'));
  expect(await keys.rotateDataKeys('x')).toEqual({ retired: 1, resealed: 2, unreadable: 0, destroyed: 2 });
  expect(await payloads.get(ref)).toEqual(bytes('before'));
  expect(await payloads.get(after)).toEqual(bytes('between'));
  expect(await keys.rotateDataKeys('x')).toEqual({ retired: 1, resealed: 2, unreadable: 0, destroyed: 1 });
});

test('a damaged payload is counted, keeps its old key, and holds up no other', async () => {
  const { payloads, keys, path } = await temporaryLedger();
  const refs = [];
  for (const text of ['a', 'b', 'c']) refs.push(await payloads.put('acme', bytes(text), START + HOUR_MS));
  run(path, `update payloads set sealed = x'010203' where ref = '${refs[1] ?? ''}'`);
  expect(await keys.rotateDataKeys('x')).toEqual({ retired: 1, resealed: 2, unreadable: 1, destroyed: 0 });
  expect(await payloads.get(refs[0] ?? '')).toEqual(bytes('a'));
  expect(await payloads.get(refs[2] ?? '')).toEqual(bytes('c'));
  await expect(payloads.get(refs[1] ?? '')).rejects.toThrow(/does not decrypt: it was changed/);
});
