import { createAttempts } from './attempts.ts';
import type { Attempts } from './attempts.ts';
import { createAuditLog } from './audit.ts';
import type { AuditLog } from './audit.ts';
import { createBudgetAlerts } from './budget-alerts.ts';
import type { BudgetAlerts } from './budget-alerts.ts';
import { createCalls } from './calls.ts';
import type { Calls } from './calls.ts';
import type { SqlContext } from './context.ts';
import { createEndCall } from './end-call.ts';
import type { EndCall } from './end-call.ts';
import { createHolds } from './holds.ts';
import type { Holds } from './holds.ts';
import { createIdempotency } from './idempotency.ts';
import type { Idempotency } from './idempotency.ts';
import { createOutbox } from './outbox.ts';
import type { Outbox } from './outbox.ts';
import { createPayloadSealer, createPayloads } from './payloads.ts';
import type { PayloadSealer, Payloads } from './payloads.ts';

/** The rows and the transaction runner that the ledger's verbs work with. */
export interface LedgerParts extends SqlContext {
  calls: Calls;
  attempts: Attempts;
  holds: Holds;
  budgetAlerts: BudgetAlerts;
  idempotency: Idempotency;
  outbox: Outbox;
  audit: AuditLog;
  payloads: Payloads;
  sealer: PayloadSealer;
  endCall: EndCall;
}

export function createLedgerParts(context: SqlContext, masterKey: Uint8Array): LedgerParts {
  const { db, locks } = context;
  const calls = createCalls(db, locks);
  const outbox = createOutbox(db);
  const audit = createAuditLog(db, locks);
  return {
    ...context,
    calls,
    attempts: createAttempts(db),
    holds: createHolds(db),
    budgetAlerts: createBudgetAlerts(db, outbox),
    idempotency: createIdempotency(db),
    outbox,
    audit,
    payloads: createPayloads(db),
    sealer: createPayloadSealer(masterKey),
    endCall: createEndCall({ calls, outbox, audit }),
  };
}
