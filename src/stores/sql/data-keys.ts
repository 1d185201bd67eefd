/**
 * The keys that the ledger keeps, each random and wrapped by the master key: one for the payloads of each tenant, one for
 * those of each subject of a tenant, and some of the ledger's own. To destroy a wrapped key is to destroy what it sealed.
 *
 * Unwrapped keys are kept in memory. What is written proves in its own statement that its key is still in use, and what is
 * read comes with its key's row: a key that was destroyed elsewhere serves nobody from that moment on.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { HoldfastError } from '../../core/errors.ts';
import { KEY_BYTES, deriveKey } from '../crypto/derive-key.ts';
import { masterKeyFingerprint } from '../crypto/master-key-fingerprint.ts';
import { createPayloadKey, type PayloadKey } from '../crypto/payload-key.ts';
import { open, seal } from '../crypto/seal.ts';
import type { Clock } from './context.ts';
import type { Locks } from './locks.ts';
import { prepare } from './prepared.ts';
import type { DataKeysTable, Database, Tx } from './schema.ts';

/** Whose payloads a key seals. */
export interface KeyScope {
  tenant: string;
  /** The handle of the subject, see `subject-handles.ts`; null for the tenant's own key. */
  subject: string | null;
}

export type WrappedKey = Pick<DataKeysTable, 'id' | 'wrapped'>;
type StoredScope = Pick<DataKeysTable, 'purpose' | 'tenant' | 'subject'>;

export type DataKeys = ReturnType<typeof createDataKeys>;

const MOST_IN_MEMORY = 2_000;

/** The key that a payload was to be sealed with is in use no more: the transaction begins again with the next one. */
export class StaleKeyError extends Error {
  readonly keyId: string;

  constructor(keyId: string) {
    super(`the data key ${keyId} is in use no more`);
    this.name = 'StaleKeyError';
    this.keyId = keyId;
  }
}

export function createDataKeys({
  db,
  now,
  locks,
  masterKey,
}: {
  db: Database;
  now: Clock;
  locks: Locks;
  masterKey: Uint8Array;
}) {
  const wrappingKey = deriveKey(masterKey, 'data-keys');
  const fingerprint = masterKeyFingerprint(masterKey);
  const unwrapped = new LRUCache<string, PayloadKey>({ max: MOST_IN_MEMORY });
  const activeIds = new LRUCache<string, string>({ max: MOST_IN_MEMORY });

  const active = prepare((p: StoredScope) =>
    db
      .selectFrom('data_keys')
      .select(['id', 'wrapped'])
      .where('purpose', '=', p.purpose)
      .where('tenant', '=', p.tenant)
      .where('subject', '=', p.subject)
      .where('state', '=', 'active'),
  );
  const insert = prepare((p: StoredScope & WrappedKey & { created_at: number }) =>
    db
      .insertInto('data_keys')
      .values({
        id: p.id,
        purpose: p.purpose,
        tenant: p.tenant,
        subject: p.subject,
        wrapped: p.wrapped,
        state: 'active',
        created_at: p.created_at,
        ended_at: null,
        ended_by: null,
      })
      .onConflict((conflict) => conflict.doNothing()),
  );
  const knownMaster = prepare((_p: object) => locks.shared(db.selectFrom('master_key').select('fingerprint')));

  const unwrap = ({ id, wrapped }: WrappedKey): Uint8Array => {
    try {
      return open(wrappingKey, contextOf(id), wrapped);
    } catch (cause) {
      throw notOurMaster(
        `The data key ${id} does not unwrap: it was changed, or wrapped by another master key.`,
        cause,
      );
    }
  };

  /** The row of the key that is in use. Two that make one at once both get the first one's. */
  const activeRow = async (tx: Tx, scope: StoredScope): Promise<WrappedKey> => {
    const known = await active.first(tx, scope);
    if (known) return known;
    // A node that still has the old master key would wrap a key that no one else can open.
    const [current] = await knownMaster.all(tx, {});
    if (current?.fingerprint !== fingerprint) throw notOurMaster('The ledger has a new master key.');
    const id = `dk_${randomBytes(12).toString('base64url')}`;
    await insert.run(tx, {
      ...scope,
      id,
      wrapped: seal(wrappingKey, contextOf(id), randomBytes(KEY_BYTES)),
      created_at: now(),
    });
    const made = await active.first(tx, scope);
    if (!made) throw new StaleKeyError(id);
    return made;
  };

  const keyOf = (row: WrappedKey): PayloadKey => {
    const known = unwrapped.get(row.id);
    if (known) return known;
    const key = createPayloadKey(row.id, unwrap(row));
    unwrapped.set(row.id, key);
    return key;
  };

  return {
    /** The key that a payload of this scope is sealed with now; made when there is none. Often without a statement. */
    async current(tx: Tx, { tenant, subject }: KeyScope): Promise<PayloadKey> {
      const scope = { purpose: 'payloads', tenant, subject: subject ?? '' } as const;
      const name = JSON.stringify([tenant, scope.subject]);
      const known = unwrapped.get(activeIds.get(name) ?? '');
      if (known) return known;
      const key = keyOf(await activeRow(tx, scope));
      activeIds.set(name, key.id);
      return key;
    },
    /** The key of a row that was read in the same transaction as what it sealed. */
    of: keyOf,
    /** Its bytes. */
    unwrap,
    /** A key of the ledger's own, as bytes; made when there is none. */
    own: async (tx: Tx, purpose: 'fingerprints' | 'subjects'): Promise<Uint8Array> =>
      unwrap(await activeRow(tx, { purpose, tenant: '', subject: '' })),
    /** It seals no more; one that still opens is read again from its row. */
    forget(id: string): void {
      unwrapped.delete(id);
      for (const [name, active] of [...activeIds.entries()]) if (active === id) activeIds.delete(name);
    },
  };
}

export function contextOf(id: string): string {
  return `data-key/${id}`;
}

function notOurMaster(what: string, cause?: unknown): HoldfastError {
  const error = new HoldfastError(
    'engine_unavailable',
    `${what} Put the key that \`holdfast secrets rekey --master\` gave the ledger into HOLDFAST_MASTER_KEY or master.key, and restart.`,
  );
  if (cause !== undefined) error.cause = cause;
  return error;
}
