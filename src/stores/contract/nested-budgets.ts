/** Budgets within budgets, and windows by other clocks than UTC. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Ledger } from '../../core/ports/ledger.ts';
import {
  DAY_MS,
  accepted,
  admitted,
  answerOf,
  budget,
  dispatched,
  openInput,
  success,
  sums,
  type OpenStore,
} from './fixture.ts';
import type { ChildCommand } from './ledger-child.ts';
import { nestedBudgets } from './nested-spend.ts';

const TEAMS = ['red', 'blue'];
const USERS = ['ann', 'bob', 'cid'];

/** Two processes spend at once: no scope holds more than its limit, and whoever is refused lacks room somewhere. */
export async function expectNestedBudgetsHold(
  ledger: Ledger,
  processes: readonly ((command: ChildCommand) => Promise<unknown>)[],
  numRuns: number,
): Promise<void> {
  const amount = fc.bigInt({ min: 0n, max: 500n }).map(String);
  const limit = fc.bigInt({ min: 0n, max: 6_000n }).map(String);
  const spends = fc.array(fc.record({ amount, team: fc.constantFrom(...TEAMS), user: fc.constantFrom(...USERS) }), {
    minLength: 20,
    maxLength: 20,
  });
  const limits = fc.record({ tenant: limit, team: limit, user: limit });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(spends, spends, limits, async (ofA, ofB, given) => {
      const tenant = `t${String((run += 1))}`;
      const lists = [ofA, ofB];
      const answers = await Promise.all(
        processes.map((child, index) =>
          child({ do: 'spend-nested', tenant, spends: lists[index] ?? [], limits: given }),
        ),
      );
      const isGranted = answers.flat() as boolean[];
      const all = [...ofA, ...ofB].map((spend) => ({ spend, budgets: nestedBudgets(tenant, spend, given) }));
      expect(isGranted).toHaveLength(all.length);
      const held = new Map<string, bigint>();
      for (const { spend, budgets } of all.filter((_, index) => isGranted[index])) {
        for (const { scope } of budgets) held.set(scope, (held.get(scope) ?? 0n) + BigInt(spend.amount));
      }
      for (const [index, { spend, budgets }] of all.entries()) {
        for (const spec of budgets) {
          const total = held.get(spec.scope) ?? 0n;
          expect(total).toBeLessThanOrEqual(spec.limitNanoUsd);
          expect(await sums(ledger, spec)).toEqual({ held: total.toString(), spent: '0' });
        }
        const hasRoom = budgets.every(
          ({ scope, limitNanoUsd }) => (held.get(scope) ?? 0n) + BigInt(spend.amount) <= limitNanoUsd,
        );
        if (!isGranted[index]) expect(hasRoom).toBe(false);
      }
    }),
    { numRuns },
  );
}

export function describeNestedBudgets(open: OpenStore): void {
  describe('G4 budgets within budgets', () => {
    test('a call holds in every scope at once, and its cost is charged in each', async () => {
      const { ledger } = await open();
      const scopes = ['tenant:acme', 'team:acme/blue', 'user:acme/alice', 'key:app'];
      const budgets = scopes.map((scope) => budget({ scope }));
      const callId = await admitted(ledger, 'a', budgets);
      for (const spec of budgets) expect(await sums(ledger, spec)).toEqual({ held: '1000', spent: '0' });
      await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId, { budgets })), 400n));
      for (const spec of budgets) expect(await sums(ledger, spec)).toEqual({ held: '0', spent: '400' });
    });

    test("one user's full budget refuses that user alone, and the refusal names it", async () => {
      const { ledger } = await open();
      const of = (user: string) => [budget(), budget({ scope: `user:acme/${user}`, limitNanoUsd: 1_500n })];
      await admitted(ledger, 'a', of('alice'));
      const second = await accepted(ledger, 'b');
      expect(await ledger.openAttempt(openInput(second, { budgets: of('alice') }))).toMatchObject({
        status: 'refused',
        error: {
          code: 'budget_exceeded',
          details: {
            scope: 'user:acme/alice',
            limitNanoUsd: '1500',
            heldNanoUsd: '1000',
            spentNanoUsd: '0',
            resetsAt: '2026-12-01T00:00:00.000Z',
          },
        },
      });
      const third = await accepted(ledger, 'c');
      expect(await ledger.openAttempt(openInput(third, { budgets: of('bob') }))).toMatchObject({
        status: 'dispatched',
      });
      expect(await sums(ledger)).toEqual({ held: '2000', spent: '0' });
    });

    test('a window ends by the clock of its zone: a full day of Berlin has room again at its midnight', async () => {
      const { ledger, clock } = await open();
      // A day of 25 hours: from 22:00 to 23:00 UTC.
      clock.now = Date.parse('2026-10-24T22:00:00Z');
      const berlin = budget({ period: 'day', timeZone: 'Europe/Berlin', limitNanoUsd: 1_000n });
      await admitted(ledger, 'a', [berlin]);
      const next = async (id: string) =>
        ledger.openAttempt(openInput(await accepted(ledger, id), { budgets: [berlin] }));
      clock.now = Date.parse('2026-10-25T22:59:59.999Z');
      expect(await next('b')).toMatchObject({
        status: 'refused',
        error: { details: { resetsAt: '2026-10-25T23:00:00.000Z' } },
      });
      expect(await ledger.budgetStatus([berlin])).toMatchObject([
        { timeZone: 'Europe/Berlin', heldNanoUsd: '1000', resetsAt: '2026-10-25T23:00:00.000Z' },
      ]);
      clock.now += 1;
      expect(await next('c')).toMatchObject({ status: 'dispatched' });
      expect(await sums(ledger, berlin)).toEqual({ held: '1000', spent: '0' });
    });

    test('budgets of one scope in two zones count apart, and each call once in both', async () => {
      const { ledger, clock } = await open();
      // 23:30 UTC: Berlin is in the next day already.
      clock.now = Date.parse('2026-11-20T22:30:00Z');
      const [utc, berlin] = [budget({ period: 'day' }), budget({ period: 'day', timeZone: 'Europe/Berlin' })];
      const spend = async (id: string) => {
        const callId = await admitted(ledger, id, [utc, berlin]);
        const lease = await dispatched(ledger, openInput(callId, { budgets: [utc, berlin] }));
        await ledger.recordAnswer(answerOf(lease, 400n));
        await ledger.settle(success(callId));
      };
      await spend('a');
      clock.now += 60 * 60_000;
      await spend('b');
      expect(await sums(ledger, utc)).toEqual({ held: '0', spent: '800' });
      expect(await sums(ledger, berlin)).toEqual({ held: '0', spent: '400' });
    });

    test('budgets in two zones whose windows begin together hold once, in the sums that they share', async () => {
      const { ledger } = await open();
      const zones = ['Europe/Berlin', 'Europe/Paris'].map((timeZone) => budget({ timeZone, limitNanoUsd: 1_500n }));
      await admitted(ledger, 'a', zones);
      for (const spec of zones) expect(await sums(ledger, spec)).toEqual({ held: '1000', spent: '0' });
    });

    test('scopes that hold something are listed in order, page by page, and only those that begin so', async () => {
      const { ledger, clock } = await open();
      for (const [index, user] of ['zoe', 'ann', 'bob', 'ann'].entries()) {
        await admitted(ledger, String(index), [budget({ scope: `user:acme/${user}`, period: 'day' })]);
        clock.now += DAY_MS;
      }
      await admitted(ledger, 'other', [budget({ scope: 'user:acme2/eve' }), budget()]);
      expect(await ledger.budgetScopes('user:acme/', null, 2)).toEqual(['user:acme/ann', 'user:acme/bob']);
      expect(await ledger.budgetScopes('user:acme/', 'user:acme/bob', 2)).toEqual(['user:acme/zoe']);
      expect(await ledger.budgetScopes('user:none/', null, 2)).toEqual([]);
    });
  });
}
