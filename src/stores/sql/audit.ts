/** The audit log: each entry carries the hash of the one before, so that a change or a gap shows. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../core/json.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AuditEntry } from '../../core/ports/ledger/access.ts';
import { canonicalJson } from './canonical-json.ts';
import type { SqlContext } from './context.ts';
import { fromJsonText } from './json-text.ts';
import type { Locks } from './locks.ts';
import { prepare } from './prepared.ts';
import type { AuditTable, Database, Tx } from './schema.ts';

const GENESIS_HASH = '0'.repeat(64);
const PAGE = 1000;

export type AuditLog = ReturnType<typeof createAuditLog>;

type NewEntry = Pick<AuditEntry, 'actor' | 'action' | 'subject' | 'details'>;

/** Appends within a transaction that another verb has begun. */
export function createAuditLog(db: Database, locks: Locks) {
  const last = prepare((p: { limit: number }) =>
    db.selectFrom('audit').selectAll().orderBy('seq', 'desc').limit(p.limit),
  );
  return {
    async append(tx: Tx, now: number, { actor, action, subject, details }: NewEntry): Promise<AuditEntry> {
      // Two writers that read the same last entry would fork the chain. Last of all locks: it holds up every other writer.
      await locks.name(tx, 'audit');
      const previous = await last.first(tx, { limit: 1 });
      const unhashed = {
        seq: (previous?.seq ?? 0) + 1,
        at: new Date(now).toISOString(),
        actor,
        action,
        subject,
        details: canonicalJson(details),
        previous_hash: previous?.hash ?? GENESIS_HASH,
      };
      const row: AuditTable = { ...unhashed, hash: hashOf(unhashed) };
      await tx.insertInto('audit').values(row).execute();
      return entryOf(row);
    },
  };
}

export function createAudit(
  context: SqlContext,
  log: AuditLog,
): Pick<Ledger, 'appendAudit' | 'listAudit' | 'verifyAudit'> {
  const { db } = context;
  const after = prepare((p: { seq: number; limit: number }) =>
    db.selectFrom('audit').selectAll().where('seq', '>', p.seq).orderBy('seq').limit(p.limit),
  );
  const pageAfter = (seq: number, limit: number) => context.read((tx) => after.all(tx, { seq, limit }));

  return {
    appendAudit: (entry) => context.write((tx) => log.append(tx, context.now(), entry)),
    async listAudit(afterSeq, limit) {
      return (await pageAfter(afterSeq, limit)).map(entryOf);
    },
    async verifyAudit() {
      let entries = 0;
      let previousHash = GENESIS_HASH;
      for (;;) {
        const rows = await pageAfter(entries, PAGE);
        for (const row of rows) {
          const isNext = row.seq === entries + 1 && row.previous_hash === previousHash;
          if (!isNext || row.hash !== hashOf(row)) return { entries, brokenAt: row.seq };
          entries += 1;
          previousHash = row.hash;
        }
        if (rows.length < PAGE) return { entries, brokenAt: null };
      }
    },
  };
}

function hashOf(row: Omit<AuditTable, 'hash'>): string {
  const { seq, at, actor, action, subject, details, previous_hash: previousHash } = row;
  const text = canonicalJson({ seq, at, actor, action, subject, details, previousHash });
  return createHash('sha256').update(text).digest('hex');
}

function entryOf(row: AuditTable): AuditEntry {
  const { details, previous_hash: previousHash, ...rest } = row;
  return { ...rest, details: fromJsonText<JsonObject>(details), previousHash };
}
