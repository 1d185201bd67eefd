/** Payloads by content, sealed before they reach a statement: the database never sees them in the open. */
import { createHmac, createSecretKey } from 'node:crypto';
import type { PayloadStore } from '../../core/ports/payload-store.ts';
import { HoldfastError } from '../../core/errors.ts';
import { deriveKey } from '../crypto/derive-key.ts';
import { open, seal } from '../crypto/seal.ts';
import type { SqlContext } from './context.ts';
import { prepare } from './prepared.ts';
import type { Database, PayloadsTable, Tx } from './schema.ts';

export interface SealedPayload {
  ref: string;
  tenant: string;
  sealed: Uint8Array;
}

export interface PayloadSealer {
  seal(tenant: string, bytes: Uint8Array): SealedPayload;
  /** @throws Error when the bytes do not belong to the reference. */
  open(ref: string, sealed: Uint8Array): Uint8Array;
}

export function createPayloadSealer(masterKey: Uint8Array): PayloadSealer {
  const contentKey = createSecretKey(deriveKey(masterKey, 'payloads'));
  const refKey = createSecretKey(deriveKey(masterKey, 'payload-refs'));
  // A key for each content, so that the limit of random nonces under one key is never near.
  const keyOf = (ref: string): Uint8Array => createHmac('sha256', contentKey).update(ref).digest();
  return {
    seal(tenant, bytes) {
      const digest = createHmac('sha256', refKey).update(tenant).update('\0').update(bytes).digest('base64url');
      const ref = `p_${digest}`;
      return { ref, tenant, sealed: seal(keyOf(ref), ref, bytes) };
    },
    open: (ref, sealed) => open(keyOf(ref), ref, sealed),
  };
}

export type Payloads = ReturnType<typeof createPayloads>;

export function createPayloads(db: Database) {
  const put = prepare((p: PayloadsTable) =>
    db
      .insertInto('payloads')
      .values({ ref: p.ref, tenant: p.tenant, sealed: p.sealed, expires_at: p.expires_at })
      .onConflict((conflict) =>
        conflict
          .column('ref')
          .doUpdateSet((eb) => ({ expires_at: eb.ref('excluded.expires_at') }))
          .whereRef('payloads.expires_at', '<', 'excluded.expires_at'),
      ),
  );
  const find = prepare((p: { ref: string; now: number }) =>
    db.selectFrom('payloads').select('sealed').where('ref', '=', p.ref).where('expires_at', '>', p.now),
  );
  return {
    put: (tx: Tx, payload: SealedPayload, expiresAt: number) => put.run(tx, { ...payload, expires_at: expiresAt }),
    find: async (tx: Tx, ref: string, now: number) => (await find.first(tx, { ref, now }))?.sealed ?? null,
  };
}

export function createPayloadStore(context: SqlContext, payloads: Payloads, sealer: PayloadSealer): PayloadStore {
  return {
    async put(tenant, bytes, expiresAt) {
      const payload = sealer.seal(tenant, bytes);
      await context.write((tx) => payloads.put(tx, payload, expiresAt));
      return payload.ref;
    },
    async get(ref) {
      const sealed = await context.read((tx) => payloads.find(tx, ref, context.now()));
      if (sealed === null) return null;
      try {
        return sealer.open(ref, sealed);
      } catch (cause) {
        const error = new HoldfastError(
          'engine_unavailable',
          `The payload ${ref} does not decrypt: it was changed, or the master key is not the one it was stored with. ` +
            'Put the right master key back, or restore a backup.',
        );
        error.cause = cause;
        throw error;
      }
    },
  };
}
