/**
 * The ledger: what was accepted, what left for a provider, what it cost. Every method is one transaction and may be
 * repeated with the same arguments without a second effect. Times are Unix milliseconds.
 */
import type { AuditLog, VirtualKeys } from './ledger/access.ts';
import type { AttemptLedger } from './ledger/attempts.ts';
import type { BudgetLedger } from './ledger/budgets.ts';
import type { CallLedger, OwedAnswers } from './ledger/calls.ts';
import type { LedgerUpkeep, Outbox } from './ledger/upkeep.ts';

export type Ledger = CallLedger &
  OwedAnswers &
  AttemptLedger &
  BudgetLedger &
  VirtualKeys &
  AuditLog &
  Outbox &
  LedgerUpkeep;
