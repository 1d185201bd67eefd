/** The ledger on any SQL database that Kysely speaks to: each verb is a file of its own, this puts them together. */
import type { Ledger } from '../../core/ports/ledger.ts';
import type { Erasure } from '../../core/ports/ledger/upkeep.ts';
import type { PayloadStore } from '../../core/ports/payload-store.ts';
import { createAccept } from './accept.ts';
import { createAdmit } from './admit.ts';
import { createAudit } from './audit.ts';
import { createBudgetStatus } from './budget-status.ts';
import { createSqlContext } from './context.ts';
import type { SqlContextOptions } from './context.ts';
import { createClearErased } from './clear-erased.ts';
import { createEngineClaim } from './engine-claim.ts';
import { createErase } from './erase.ts';
import { createHistoryKeys, type HistoryKeys } from './history-keys.ts';
import { createKeys } from './keys.ts';
import { createListCalls } from './list-calls.ts';
import { createOpenAttempt } from './open-attempt.ts';
import { createOwed } from './owed.ts';
import type { OwnKeys } from './own-keys.ts';
import { createOutboxMethods } from './outbox.ts';
import { createLedgerParts } from './parts.ts';
import { createPayloadStore } from './payloads.ts';
import { createPrune } from './prune.ts';
import { createReconcile } from './reconcile.ts';
import { createRecordAttempt } from './record-attempt.ts';
import { createKeyRotation, type KeyRotation } from './rotate-keys.ts';
import { createSettle } from './settle.ts';

export interface SqlLedgerOptions extends SqlContextOptions {
  /** 32 bytes; payloads are sealed with keys derived from it. */
  masterKey: Uint8Array;
  backup: Ledger['backup'];
  /** Overwrites old versions of rows as far as the storage lets us; says what may be left. */
  overwriteOld(): Promise<Erasure['oldBytes']>;
}

export interface StoreKeys extends Pick<OwnKeys, 'fingerprints'>, KeyRotation {
  histories: HistoryKeys;
  /** Overwrites old versions of rows, as after an erasure. */
  overwriteOld(): Promise<Erasure['oldBytes']>;
}

/** An opened ledger, with what hangs on its keys. */
export interface LedgerStores {
  ledger: Ledger;
  payloads: PayloadStore;
  keys: StoreKeys;
}

export function createSqlLedger(options: SqlLedgerOptions): LedgerStores {
  const parts = createLedgerParts(createSqlContext(options), options.masterKey);
  const clearing = createClearErased(parts);
  const ledger: Ledger = {
    ...createAccept(parts),
    ...createAdmit(parts),
    ...createOpenAttempt(parts),
    ...createRecordAttempt(parts),
    ...createSettle(parts),
    ...createReconcile(parts),
    ...createOwed(parts),
    ...createListCalls(parts),
    ...createBudgetStatus(parts),
    ...createKeys(parts, parts.audit),
    ...createAudit(parts, parts.audit),
    ...createOutboxMethods(parts, parts.outbox),
    ...createPrune(parts, clearing.clearPending),
    ...createEngineClaim(parts),
    ...createErase(parts, clearing, options.overwriteOld),
    backup: (path, replace) => options.backup(path, replace),
    close: () => options.db.destroy(),
  };
  const keys: StoreKeys = {
    fingerprints: () => parts.ownKeys.fingerprints(),
    histories: createHistoryKeys(parts, parts.dataKeys, options.masterKey),
    ...createKeyRotation(parts, options.masterKey),
    overwriteOld: () => options.overwriteOld(),
  };
  return { ledger, payloads: createPayloadStore(parts, parts.payloads), keys };
}
