/** Who may call, and the log of what was done to the gateway. */
import type { JsonObject } from '../../json.ts';

export interface VirtualKey {
  name: string;
  tenant: string;
  /** The tenant's team whose budgets and limits its calls meet; null for none. */
  team: string | null;
  /** `hk1:` and the hex of the SHA-256 of the key; the key itself is shown once and never stored. */
  hash: string;
  models: string[] | null;
  roles: string[];
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
}

export interface AuditEntry {
  seq: number;
  at: string;
  actor: string;
  action: string;
  subject: string;
  details: JsonObject;
  previousHash: string;
  hash: string;
}

/** Virtual keys, by the hash of the key. What changes one stands in the audit log as of the same moment, with who did it. */
export interface VirtualKeys {
  createKey(key: Omit<VirtualKey, 'createdAt' | 'revokedAt'>, actor: string): Promise<VirtualKey>;
  /** Expired and revoked keys too: the door judges them. */
  findKey(hash: string): Promise<VirtualKey | null>;
  /** The key of that name, whatever its state; null when the ledger has none. */
  keyNamed(name: string): Promise<VirtualKey | null>;
  listKeys(): Promise<VirtualKey[]>;
  revokeKey(name: string, actor: string): Promise<VirtualKey | null>;
}

/** The audit log: each entry carries the hash of the one before it. */
export interface AuditLog {
  appendAudit(entry: Pick<AuditEntry, 'actor' | 'action' | 'subject' | 'details'>): Promise<AuditEntry>;
  listAudit(afterSeq: number, limit: number): Promise<AuditEntry[]>;
  /** Walks the hash chain. `brokenAt` is the first entry that does not fit, or null. */
  verifyAudit(): Promise<{ entries: number; brokenAt: number | null }>;
}
