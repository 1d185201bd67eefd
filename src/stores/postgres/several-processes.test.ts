import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { postgresUnavailableReason } from '../../../test/support/postgres/binaries.ts';
import { expectConsistentSums } from '../../../test/support/postgres/consistent-sums.ts';
import { ledgerProcess } from '../../../test/support/postgres/ledger-process.ts';
import { ledgerAt, newLedger, useCluster } from '../../../test/support/postgres/ledgers.ts';
import { budget, CHURNED, sums } from '../contract/fixture.ts';
import { expectNestedBudgetsHold } from '../contract/nested-budgets.ts';
import { migrations } from './migrations.ts';

const CHILD = fileURLToPath(new URL('../contract/ledger-child.ts', import.meta.url));
const NAMES = ['a', 'b'] as const;

describe.skipIf(postgresUnavailableReason())('several processes at one PostgreSQL', () => {
  const cluster = useCluster();

  test('G4 two processes never overshoot a hard budget together, whatever each attempt may cost', async () => {
    const { ledger, url } = await newLedger(cluster());
    const processes = await Promise.all(NAMES.map((name) => ledgerProcess(url, name)));
    const amount = fc.bigInt({ min: 0n, max: 500n });
    const amounts = fc.array(amount, { minLength: 25, maxLength: 25 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(amounts, amounts, fc.bigInt({ min: 0n, max: 10_000n }), async (ofA, ofB, limitNanoUsd) => {
        const spec = budget({ scope: `tenant:t${String((run += 1))}`, period: 'total', limitNanoUsd });
        const granted = await Promise.all(
          [ofA, ofB].map(
            (list, index) =>
              processes[index]?.({
                do: 'spend',
                amounts: list.map(String),
                limit: limitNanoUsd.toString(),
                scope: spec.scope,
              }) as Promise<boolean[]>,
          ),
        );
        const all = [...ofA, ...ofB];
        const isGranted = granted.flat();
        const total = all.reduce((sum, each, index) => (isGranted[index] ? sum + each : sum), 0n);
        expect(isGranted).toHaveLength(50);
        expect(total).toBeLessThanOrEqual(limitNanoUsd);
        expect(await sums(ledger, spec)).toEqual({ held: total.toString(), spent: '0' });
        for (const [index, each] of all.entries()) {
          if (!isGranted[index]) expect(each).toBeGreaterThan(limitNanoUsd - total);
        }
      }),
      { numRuns: 15 },
    );
    await expectConsistentSums(cluster(), url);
  });

  test('G4 two processes never overshoot budgets within budgets, of tenant, team and user', async () => {
    const { ledger, url } = await newLedger(cluster());
    await expectNestedBudgetsHold(ledger, await Promise.all(NAMES.map((name) => ledgerProcess(url, name))), 15);
    await expectConsistentSums(cluster(), url);
  });

  test('G3 of many accepts of one key from two processes, one is a new call and all others attach to it', async () => {
    const { ledger, url } = await newLedger(cluster());
    const processes = await Promise.all(NAMES.map((name) => ledgerProcess(url, name)));
    const keys = Array.from({ length: 10 }, (_, index) => `key-${String(index)}`);
    const oftenEach = keys.flatMap((key) => Array<string>(8).fill(key));
    const answers = await Promise.all(processes.map((child) => child({ do: 'claim', keys: oftenEach })));
    const results = answers.flat() as { status: string; callId: string }[];
    expect(results).toHaveLength(160);
    for (const key of keys) {
      const ofKey = results.filter(({ callId }) => callId.startsWith(`${key}-`));
      expect(ofKey.map(({ status }) => status).sort()).toEqual(['accepted', ...Array<string>(15).fill('attached')]);
      expect(new Set(ofKey.map(({ callId }) => callId)).size).toBe(1);
    }
    expect((await ledger.listCalls({ limit: 1000 })).calls).toHaveLength(keys.length);
  });

  test('two processes that meet a subject for the first time at once make one key for it', async () => {
    const { url } = await newLedger(cluster());
    const processes = await Promise.all(['a', 'b'].map((name) => ledgerProcess(url, name)));
    const users = Array.from({ length: 40 }, (_, index) => `user-${String(index)}`);
    const [one, two] = await Promise.all(processes.map((child) => child({ do: 'say', users })));
    expect(new Set(one as string[]).size).toBe(users.length);
    expect(two).toEqual(one);
  });

  test('the audit chain that two processes write is one chain', async () => {
    const { ledger, url } = await newLedger(cluster());
    const processes = await Promise.all(NAMES.map((name) => ledgerProcess(url, name)));
    await Promise.all(processes.map((child) => child({ do: 'audit', count: 60 })));
    expect(await ledger.verifyAudit()).toEqual({ entries: 120, brokenAt: null });
    const actors = new Set((await ledger.listAudit(0, 200)).map(({ actor }) => actor));
    expect(actors).toEqual(new Set(NAMES));
  });

  test('two processes that start at an empty database at once make one schema', async () => {
    const url = await cluster().newSchema();
    const processes = await Promise.all(NAMES.map((name) => ledgerProcess(url, name)));
    expect(await Promise.all(processes.map((child) => child({ do: 'open' })))).toEqual(['opened', 'opened']);
    const versions = await cluster().query(url, 'select version from schema_version order by version');
    expect(versions).toEqual(migrations.map((_, index) => ({ version: index + 1 })));
    expect(await cluster().query(url, 'select count(*)::int as n from master_key')).toEqual([{ n: 1 }]);
    const { ledger } = await ledgerAt(url);
    expect(await ledger.verifyAudit()).toEqual({ entries: 0, brokenAt: null });
  });

  test('G4 a process killed in the middle of its transactions leaves sums that agree', async () => {
    const { ledger, url } = await newLedger(cluster());
    for (const name of ['a', 'b', 'c']) {
      const child = spawn(process.execPath, [CHILD, 'churn', url, name], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 100));
      child.kill('SIGKILL');
      await once(child, 'exit');
      await expectConsistentSums(cluster(), url);
    }
    expect((await ledger.listCalls({ limit: 1000 })).calls.length).toBeGreaterThanOrEqual(3 * CHURNED);
    await ledger.abandonUnknown(Date.now() + 1000);
    await expectConsistentSums(cluster(), url);
  });
});
