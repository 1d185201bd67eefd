/**
 * What every ledger must do, as tests (test support, not shipped). Each store calls this once from a test file of its
 * own; what only that store has to prove stands beside it there.
 */
import { describe } from 'vitest';
import { describeAttempts } from './contract/attempts.ts';
import { describeBudgets } from './contract/budgets.ts';
import { describeDataKeys } from './contract/data-keys.ts';
import type { OpenStore } from './contract/fixture.ts';
import { describeIdempotency } from './contract/idempotency.ts';
import { describeNestedBudgets } from './contract/nested-budgets.ts';
import { describeOwed } from './contract/owed.ts';
import { describeRecords } from './contract/records.ts';
import { describeSettlement } from './contract/settlement.ts';

/** @param open gives an empty ledger with its clock at `START`; the caller closes it after the test. */
export function describeLedgerContract(name: string, open: OpenStore): void {
  describe(`ledger contract: ${name}`, () => {
    describeIdempotency(open);
    describeOwed(open);
    describeAttempts(open);
    describeSettlement(open);
    describeBudgets(open);
    describeNestedBudgets(open);
    describeRecords(open);
    describeDataKeys(open);
  });
}
