/** Idempotency rows: one for each tenant and key, naming the call that the key stands for now. */
import { prepare } from './prepared.ts';
import type { Database, IdempotencyTable } from './schema.ts';

export type Idempotency = ReturnType<typeof createIdempotency>;

export function createIdempotency(db: Database) {
  return {
    find: prepare((p: { tenant: string; key: string }) =>
      db.selectFrom('idempotency').selectAll().where('tenant', '=', p.tenant).where('idem_key', '=', p.key),
    ),
    put: prepare((p: IdempotencyTable) =>
      db
        .insertInto('idempotency')
        .values({
          tenant: p.tenant,
          idem_key: p.idem_key,
          call_id: p.call_id,
          body_hash: p.body_hash,
          generation: p.generation,
          expires_at: p.expires_at,
        })
        .onConflict((conflict) =>
          conflict.columns(['tenant', 'idem_key']).doUpdateSet((eb) => ({
            call_id: eb.ref('excluded.call_id'),
            body_hash: eb.ref('excluded.body_hash'),
            generation: eb.ref('excluded.generation'),
            expires_at: eb.ref('excluded.expires_at'),
          })),
        ),
    ),
  };
}
