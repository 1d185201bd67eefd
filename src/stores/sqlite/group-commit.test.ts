import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { accepted, acceptInput } from '../contract/fixture.ts';
import type { Tables, Tx } from '../sql/schema.ts';
import { createGroupCommit } from './group-commit.ts';
import { openSqliteLedger } from './open-sqlite-ledger.ts';
import { createSqliteDialect } from './sqlite-dialect.ts';
import { TEST_MASTER_KEY, temporaryFolder, temporaryLedger } from './temporary-ledger.ts';

function countingStore() {
  const database = new DatabaseSync(`${temporaryFolder()}/group.db`);
  database.exec('create table numbers (n integer primary key) strict');
  const db = new Kysely<Tables>({ dialect: createSqliteDialect(database) });
  onTestFinished(() => db.destroy());
  let commits = 0;
  const exec = database.exec.bind(database);
  database.exec = (text) => {
    if (text === 'commit') commits += 1;
    exec(text);
  };
  const write = createGroupCommit(db);
  return {
    insert: (n: number) => write((tx) => insertNumber(tx, n)),
    write,
    numbers: () =>
      database
        .prepare('select n from numbers order by n')
        .all()
        .map(({ n }) => n),
    commits: () => commits,
  };
}

async function insertNumber(tx: Tx, n: number): Promise<number> {
  await sql`insert into numbers (n) values (${n})`.execute(tx);
  return n;
}

test('writers that ask at once share commits, and each gets its own result', async () => {
  const store = countingStore();
  const results = await Promise.all(Array.from({ length: 100 }, (_, n) => store.insert(n)));
  expect(results).toEqual(Array.from({ length: 100 }, (_, n) => n));
  expect(store.numbers()).toHaveLength(100);
  expect(store.commits()).toBeLessThanOrEqual(4);
});

test('a writer that fails undoes its own work and no other', async () => {
  const store = countingStore();
  const outcomes = await Promise.allSettled([
    store.insert(0),
    store.insert(1),
    store.write(async (tx) => {
      await insertNumber(tx, 2);
      throw new Error('changed its mind');
    }),
    store.insert(1),
    store.insert(3),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled']);
  expect(store.numbers()).toEqual([0, 1, 3]);
});

test('writers that ask one after the other see what was written before', async () => {
  const store = countingStore();
  for (let n = 0; n < 5; n += 1) {
    await store.insert(n);
    expect(store.numbers()).toHaveLength(n + 1);
  }
});

test('when the disk is full for one of a group, the others are still accepted', async () => {
  const { ledger, path } = await temporaryLedger();
  await ledger.close();
  const pages = new DatabaseSync(path);
  const maxPages = Number(pages.prepare('pragma page_count').get()?.['page_count']) + 6;
  pages.close();
  const small = openSqliteLedger({ path, masterKey: TEST_MASTER_KEY, maxPages });
  onTestFinished(() => small.ledger.close());
  const outcomes = await Promise.allSettled([
    accepted(small.ledger, 'a'),
    accepted(small.ledger, 'b'),
    small.ledger.accept(acceptInput('big', { requestBytes: randomBytes(200_000) })),
    accepted(small.ledger, 'c'),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect((await small.ledger.listCalls({ limit: 10 })).calls.map(({ id }) => id).sort()).toEqual([
    'a-g1',
    'b-g1',
    'c-g1',
  ]);
});

test('writers that wait for a lock together give up together, not one wait after the other', async () => {
  const { path } = await temporaryLedger();
  const impatient = openSqliteLedger({ path, masterKey: TEST_MASTER_KEY, busyTimeoutMs: 200 });
  const blocker = new DatabaseSync(path);
  onTestFinished(() => {
    blocker.close();
    return impatient.ledger.close();
  });
  blocker.exec('begin immediate');
  const start = performance.now();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, (_, index) => accepted(impatient.ledger, `call-${String(index)}`)),
  );
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  // One after the other they would have waited for six seconds.
  expect(performance.now() - start).toBeLessThan(5_000);
});
