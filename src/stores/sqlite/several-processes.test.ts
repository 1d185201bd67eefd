import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ledgerProcess } from '../../../test/support/postgres/ledger-process.ts';
import { budget, CHURNED, sums } from '../contract/fixture.ts';
import { expectNestedBudgetsHold } from '../contract/nested-budgets.ts';
import { temporaryLedger } from './temporary-ledger.ts';

const CHILD = fileURLToPath(new URL('../contract/ledger-child.ts', import.meta.url));

test('G4 two processes on one file never overshoot a hard budget together', async () => {
  const { ledger, path } = await temporaryLedger();
  const limit = 20_050n;
  const children = ['a', 'b'].map((name) => {
    const child = spawn(process.execPath, [CHILD, 'grab', path, name, '150', limit.toString()], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
  });
  for (const { lines } of children) expect((await lines.next()).value).toBe('ready');
  for (const { child } of children) child.stdin.write('go\n');
  const granted = await Promise.all(children.map(async ({ lines }) => Number((await lines.next()).value)));
  expect(granted.reduce((sum, count) => sum + count, 0)).toBe(200);
  expect(Math.min(...granted)).toBeGreaterThan(0);
  const spec = budget({ period: 'total', limitNanoUsd: limit });
  expect(await sums(ledger, spec)).toEqual({ held: '20000', spent: '0' });
});

test('G4 two processes never overshoot budgets within budgets, of tenant, team and user', async () => {
  const { ledger, path } = await temporaryLedger();
  await expectNestedBudgetsHold(ledger, await Promise.all(['a', 'b'].map((name) => ledgerProcess(path, name))), 15);
  expectConsistentSums(path);
});

test('G4 a process killed in the middle of its transactions leaves sums that agree', async () => {
  const { ledger, path } = await temporaryLedger();
  for (const name of ['a', 'b', 'c']) {
    const child = spawn(process.execPath, [CHILD, 'churn', path, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 100));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expectConsistentSums(path);
  }
  const { calls } = await ledger.listCalls({ limit: 1000 });
  expect(calls.length).toBeGreaterThanOrEqual(3 * CHURNED);
  await ledger.abandonUnknown(Date.now() + 1000);
  expectConsistentSums(path);
});

test('two processes that meet a subject for the first time at once make one key for it', async () => {
  const { path } = await temporaryLedger();
  const processes = await Promise.all(['a', 'b'].map((name) => ledgerProcess(path, name)));
  const users = Array.from({ length: 40 }, (_, index) => `user-${String(index)}`);
  const [one, two] = await Promise.all(processes.map((child) => child({ do: 'say', users })));
  expect(new Set(one as string[]).size).toBe(users.length);
  expect(two).toEqual(one);
});

/** Each window's sums are those of its hold rows; an ended call holds only for attempts of unknown outcome. */
function expectConsistentSums(path: string): void {
  const database = new DatabaseSync(path);
  try {
    expect(database.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' });
    const windows = database.prepare(
      'select scope, period, window_start, held_nano_usd as held, spent_nano_usd as spent from budget_windows where held_nano_usd + spent_nano_usd > 0 order by 1, 2, 3',
    );
    const holds = database.prepare(
      `select scope, period, window_start, sum(held_nano_usd) as held, sum(spent_nano_usd) as spent from holds
       group by 1, 2, 3 having sum(held_nano_usd + spent_nano_usd) > 0 order by 1, 2, 3`,
    );
    expect(windows.all()).toEqual(holds.all());
    const leaked = database.prepare(
      `select count(*) as n from holds join calls on calls.id = holds.call_id
       join attempts on attempts.call_id = holds.call_id and attempts.n = holds.n
       where calls.state = 'ended' and held_nano_usd > 0 and attempts.state <> 'unknown'`,
    );
    expect(leaked.get()).toEqual({ n: 0 });
    const halfAccepted = database.prepare(
      'select count(*) as n from calls where not exists (select 1 from payloads where ref = calls.request_ref)',
    );
    expect(halfAccepted.get()).toEqual({ n: 0 });
  } finally {
    database.close();
  }
}
