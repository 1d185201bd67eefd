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
import { createDataKeys, type DataKeys } from './data-keys.ts';
import { createOwnKeys, type OwnKeys } from './own-keys.ts';
import { createPayloads } from './payloads.ts';
import type { Payloads } from './payloads.ts';
import { withCurrentKeys } from './with-current-keys.ts';

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
  dataKeys: DataKeys;
  ownKeys: OwnKeys;
  endCall: EndCall;
}

export function createLedgerParts(given: SqlContext, masterKey: Uint8Array): LedgerParts {
  const { db, locks, now } = given;
  const dataKeys = createDataKeys({ db, now, locks, masterKey });
  const context = withCurrentKeys(given, dataKeys);
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
    payloads: createPayloads(given, dataKeys),
    dataKeys,
    ownKeys: createOwnKeys(context, dataKeys),
    endCall: createEndCall({ calls, outbox, audit }),
  };
}
