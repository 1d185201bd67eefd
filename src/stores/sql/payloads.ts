/** Payloads by content, sealed before they reach a statement: the database never sees them in the open. */
import type { PayloadStore } from '../../core/ports/payload-store.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { SealedContent } from '../crypto/payload-key.ts';
import type { SqlContext } from './context.ts';
import { StaleKeyError, type DataKeys, type KeyScope } from './data-keys.ts';
import type { Locks } from './locks.ts';
import { prepare } from './prepared.ts';
import type { Database, PayloadsTable, Tx } from './schema.ts';

export interface SealedPayload extends SealedContent {
  tenant: string;
  keyId: string;
}

export type Payloads = ReturnType<typeof createPayloads>;

export function createPayloads(db: Database, locks: Locks, keys: DataKeys) {
  // The key's row is locked against its destruction until the commit: nothing is ever left sealed by a destroyed key.
  const put = prepare((p: PayloadsTable) =>
    db
      .insertInto('payloads')
      .values((eb) => ({
        ref: p.ref,
        tenant: p.tenant,
        key_id: locks.shared(
          eb.selectFrom('data_keys').select('id').where('id', '=', p.key_id).where('state', '=', 'active'),
        ),
        sealed: p.sealed,
        expires_at: p.expires_at,
      }))
      .onConflict((conflict) =>
        conflict.column('ref').doUpdateSet((eb) => ({
          key_id: eb.ref('excluded.key_id'),
          sealed: eb.ref('excluded.sealed'),
          expires_at: eb
            .case()
            .when('payloads.expires_at', '<', eb.ref('excluded.expires_at'))
            .then(eb.ref('excluded.expires_at'))
            .else(eb.ref('payloads.expires_at'))
            .end(),
        })),
      )
      .returning('key_id'),
  );
  const find = prepare((p: { ref: string; now: number }) =>
    db
      .selectFrom('payloads')
      .innerJoin('data_keys', 'data_keys.id', 'payloads.key_id')
      .select(['payloads.sealed', 'data_keys.id', 'data_keys.wrapped'])
      .where('payloads.ref', '=', p.ref)
      .where('payloads.expires_at', '>', p.now)
      .where('data_keys.state', '<>', 'destroyed'),
  );
  return {
    async seal(tx: Tx, scope: KeyScope, bytes: Uint8Array): Promise<SealedPayload> {
      const key = await keys.current(tx, scope);
      return { ...key.seal(bytes), tenant: scope.tenant, keyId: key.id };
    },
    /** @throws StaleKeyError when its key was replaced or destroyed; the transaction must end, and may begin again. */
    async put(tx: Tx, { keyId, ref, tenant, sealed }: SealedPayload, expiresAt: number): Promise<void> {
      const row = await put.first(tx, { ref, tenant, sealed, key_id: keyId, expires_at: expiresAt });
      if (row?.key_id !== keyId) throw new StaleKeyError(keyId);
    },
    async get(tx: Tx, ref: string, now: number): Promise<Uint8Array | null> {
      const row = await find.first(tx, { ref, now });
      if (!row) return null;
      const key = keys.of(row);
      try {
        return key.open(ref, row.sealed);
      } catch (cause) {
        const error = new HoldfastError(
          'engine_unavailable',
          `The payload ${ref} does not decrypt: it was changed. Restore a backup.`,
        );
        error.cause = cause;
        throw error;
      }
    },
  };
}

export function createPayloadStore(context: SqlContext, payloads: Payloads): PayloadStore {
  return {
    put: (tenant, bytes, expiresAt) =>
      context.write(async (tx) => {
        const payload = await payloads.seal(tx, { tenant, subject: null }, bytes);
        await payloads.put(tx, payload, expiresAt);
        return payload.ref;
      }),
    get: (ref) => context.read((tx) => payloads.get(tx, ref, context.now())),
  };
}
