import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accepted,
  admitted,
  allowed,
  answerOf,
  budget,
  dispatched,
  failureOf,
  openInput,
  success,
  sums,
} from './fixture.ts';
import type { OpenStore } from './fixture.ts';

export function describeBudgets(open: OpenStore): void {
  describe('G4 budgets hold', () => {
    test('a full hard budget turns an admission into a denial with its figures, and holds nothing', async () => {
      const { ledger } = await open();
      await admitted(ledger, 'a', [budget({ limitNanoUsd: 1500n })]);
      const callId = await accepted(ledger, 'b');
      const full = budget({ limitNanoUsd: 1500n });
      const decision = await ledger.admit({ callId, admission: allowed, worstCaseNanoUsd: 1000n, budgets: [full] });
      expect(decision).toMatchObject({
        allowed: false,
        decisionId: 'decision-1',
        error: {
          code: 'budget_exceeded',
          source: 'gateway',
          details: {
            scope: 'tenant:acme',
            period: 'month',
            limitNanoUsd: '1500',
            heldNanoUsd: '1000',
            spentNanoUsd: '0',
            resetsAt: '2026-12-01T00:00:00.000Z',
          },
        },
      });
      expect(await ledger.storedAdmission(callId)).toEqual(decision);
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
    });

    test('a hold may fill a budget to the last nano-USD and not beyond', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a', [budget({ limitNanoUsd: 1000n })]);
      expect(await ledger.storedAdmission(callId)).toEqual(allowed);
      const next = openInput(callId, { order: 2, worstCaseNanoUsd: 1n, budgets: [budget({ limitNanoUsd: 1000n })] });
      expect(await ledger.openAttempt(next)).toMatchObject({ status: 'refused', error: { code: 'budget_exceeded' } });
    });

    test('a refused hold is final for its order and leaves no hold, even when room is made', async () => {
      const { ledger } = await open();
      const budgets = [budget({ limitNanoUsd: 1000n })];
      const blocker = await admitted(ledger, 'blocker', budgets);
      const callId = await accepted(ledger, 'a');
      const first = await ledger.openAttempt(openInput(callId, { budgets }));
      expect(first).toMatchObject({ status: 'refused' });
      expect(await sums(ledger)).toEqual({ held: '1000', spent: '0' });
      await ledger.settle({ callId: blocker, outcome: 'cancelled', answerRef: null, error: null });
      expect(await ledger.openAttempt(openInput(callId, { budgets }))).toEqual(first);
      expect(await ledger.openAttempt(openInput(callId, { budgets, order: 2 }))).toMatchObject({
        status: 'dispatched',
      });
    });

    test('a reservation whose new worst case has no room is refused and gives its hold back', async () => {
      const { ledger } = await open();
      const callId = await admitted(ledger, 'a');
      const refused = await ledger.openAttempt(openInput(callId, { worstCaseNanoUsd: 10_001n }));
      expect(refused).toMatchObject({ status: 'refused' });
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
      expect(await ledger.settle(success(callId))).toMatchObject({
        costNanoUsd: '0',
        attempts: [{ state: 'failed', errorCode: 'budget_exceeded' }],
      });
    });

    test('when one of several budgets is full, none holds', async () => {
      const { ledger } = await open();
      const callId = await accepted(ledger, 'a');
      const roomy = budget({ scope: 'key:app' });
      const full = budget({ limitNanoUsd: 10n });
      expect(await ledger.openAttempt(openInput(callId, { budgets: [roomy, full] }))).toMatchObject({
        status: 'refused',
        error: { details: { scope: 'tenant:acme' } },
      });
      expect(await sums(ledger, roomy)).toEqual({ held: '0', spent: '0' });
    });

    test('a soft budget never refuses but counts', async () => {
      const { ledger } = await open();
      const soft = budget({ hard: false, limitNanoUsd: 1n });
      await admitted(ledger, 'a', [soft]);
      expect(await sums(ledger, soft)).toEqual({ held: '1000', spent: '0' });
    });

    test('without a price nothing is held, but a used-up hard budget still refuses and the true cost is booked', async () => {
      const { ledger } = await open();
      const callId = await accepted(ledger, 'a');
      const lease = await dispatched(ledger, openInput(callId, { worstCaseNanoUsd: null }));
      expect(await sums(ledger)).toEqual({ held: '0', spent: '0' });
      await ledger.recordAnswer(answerOf(lease, 10_000n));
      await ledger.settle(success(callId));
      expect(await sums(ledger)).toEqual({ held: '0', spent: '10000' });
      const next = await accepted(ledger, 'b');
      expect(await ledger.openAttempt(openInput(next, { worstCaseNanoUsd: null }))).toMatchObject({
        status: 'refused',
      });
    });

    test('each threshold of a budget is reported once a window, with figures', async () => {
      const { ledger } = await open();
      const watched = budget({ limitNanoUsd: 1000n, hard: false, alertAt: [0.5, 0.8] });
      for (const [id, cost] of [
        ['a', 400n],
        ['b', 200n],
        ['c', 300n],
        ['d', 300n],
      ] as const) {
        const callId = await admitted(ledger, id, [watched]);
        await ledger.recordAnswer(answerOf(await dispatched(ledger, openInput(callId, { budgets: [watched] })), cost));
        await ledger.settle(success(callId));
      }
      const alerts = (await ledger.takeOutbox(100)).filter(({ type }) => type === 'budget-alert');
      expect(alerts.map(({ body }) => [body['share'], body['spentNanoUsd'], body['limitNanoUsd']])).toEqual([
        [0.5, '600', '1000'],
        [0.8, '900', '1000'],
      ]);
    });

    test('the status shows each budget in its own window', async () => {
      const { ledger } = await open();
      const all = (['hour', 'day', 'week', 'month', 'total'] as const).map((period) => budget({ period }));
      await admitted(ledger, 'a', all);
      const status = await ledger.budgetStatus(all);
      expect(status.map(({ period, heldNanoUsd, resetsAt }) => [period, heldNanoUsd, resetsAt])).toEqual([
        ['hour', '1000', '2026-11-20T13:00:00.000Z'],
        ['day', '1000', '2026-11-21T00:00:00.000Z'],
        ['week', '1000', '2026-11-23T00:00:00.000Z'],
        ['month', '1000', '2026-12-01T00:00:00.000Z'],
        ['total', '1000', null],
      ]);
    });

    test('fifty attempts at once never overshoot a hard budget, whatever each may cost', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.bigInt({ min: 0n, max: 500n }), { minLength: 50, maxLength: 50 }),
          fc.bigInt({ min: 0n, max: 10_000n }),
          async (worstCases, limitNanoUsd) => {
            const { ledger } = await open();
            const tight = budget({ limitNanoUsd });
            const opened = await Promise.all(
              worstCases.map(async (worstCaseNanoUsd, index) => {
                const callId = await accepted(ledger, `call-${String(index)}`);
                return ledger.openAttempt(openInput(callId, { worstCaseNanoUsd, budgets: [tight] }));
              }),
            );
            const granted = worstCases.filter((_, index) => opened[index]?.status === 'dispatched');
            const total = granted.reduce((sum, amount) => sum + amount, 0n);
            expect(total).toBeLessThanOrEqual(limitNanoUsd);
            expect(await sums(ledger, tight)).toEqual({ held: total.toString(), spent: '0' });
            const refused = worstCases.filter((_, index) => opened[index]?.status === 'refused');
            expect(granted.length + refused.length).toBe(50);
            for (const amount of refused) expect(amount).toBeGreaterThan(limitNanoUsd - total);
          },
        ),
        { numRuns: 10 },
      );
    });

    test('whatever an attempt ends as, no hold is left and what was spent is the sum of the costs', async () => {
      const end = fc.constantFrom('answer', 'fail', 'fail-billed', 'lost', 'lost-then-answer', 'cancel');
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(end, fc.bigInt({ min: 0n, max: 900n })), { maxLength: 12 }),
          async (ends) => {
            const { ledger, clock } = await open();
            const wide = budget({ limitNanoUsd: 1_000_000n });
            let expected = 0n;
            for (const [index, [how, cost]] of ends.entries()) {
              const callId = await admitted(ledger, `call-${String(index)}`, [wide]);
              const lease = await dispatched(ledger, openInput(callId, { budgets: [wide] }));
              if (how === 'answer') await ledger.recordAnswer(answerOf(lease, cost));
              if (how === 'fail') await ledger.recordFailure(failureOf(lease));
              if (how === 'fail-billed') {
                await ledger.recordFailure({ ...failureOf(lease), charge: answerOf(lease, cost).charge });
              }
              const taken = how.startsWith('lost') ? await ledger.fence(lease, 'lost') : null;
              await ledger.settle(success(callId));
              if (how === 'lost-then-answer' && taken) await ledger.recordAnswer(answerOf(taken, cost));
              expected += how === 'fail' ? 0n : how === 'lost' || how === 'cancel' ? 1000n : cost;
            }
            await ledger.abandonUnknown(clock.now + 1);
            expect(await sums(ledger, wide)).toEqual({ held: '0', spent: expected.toString() });
            const { calls } = await ledger.listCalls({ limit: 100 });
            expect(calls.reduce((sum, call) => sum + BigInt(call.costNanoUsd), 0n)).toBe(expected);
          },
        ),
        { numRuns: 20 },
      );
    });
  });
}
