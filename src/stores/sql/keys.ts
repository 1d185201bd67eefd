/** Virtual keys made by the CLI. Only the hash of a key is here. Expiry and revocation are judged by the door. */
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { VirtualKey } from '../../core/ports/ledger/access.ts';
import type { AuditLog } from './audit.ts';
import type { SqlContext } from './context.ts';
import { fromJsonText, fromNullableJsonText, toNullableJsonText } from './json-text.ts';
import { prepare } from './prepared.ts';
import type { VirtualKeysTable } from './schema.ts';

export function createKeys(
  context: SqlContext,
  audit: AuditLog,
): Pick<Ledger, 'createKey' | 'findKey' | 'keyNamed' | 'listKeys' | 'revokeKey'> {
  const { db } = context;
  const byHash = prepare((p: { hash: string }) => db.selectFrom('virtual_keys').selectAll().where('hash', '=', p.hash));
  const byName = prepare((p: { name: string }) => db.selectFrom('virtual_keys').selectAll().where('name', '=', p.name));

  return {
    createKey: (key, actor) =>
      context.write(async (tx) => {
        const known = await byName.first(tx, { name: key.name });
        if (known?.hash === key.hash) return keyOf(known);
        if (known) {
          const message = `There is a key named ${key.name} already; choose another name.`;
          throw new HoldfastError('invalid_request', message, { param: 'name' });
        }
        const row: VirtualKeysTable = {
          name: key.name,
          tenant: key.tenant,
          team: key.team,
          hash: key.hash,
          models: toNullableJsonText(key.models),
          roles: JSON.stringify(key.roles),
          created_at: context.now(),
          expires_at: key.expiresAt,
          revoked_at: null,
        };
        await tx.insertInto('virtual_keys').values(row).execute();
        const details = { tenant: key.tenant, ...(key.team !== null && { team: key.team }) };
        await audit.append(tx, row.created_at, { actor, action: 'key.create', subject: key.name, details });
        return keyOf(row);
      }),
    async findKey(hash) {
      const row = await context.read((tx) => byHash.first(tx, { hash }));
      return row ? keyOf(row) : null;
    },
    async keyNamed(name) {
      const row = await context.read((tx) => byName.first(tx, { name }));
      return row ? keyOf(row) : null;
    },
    async listKeys() {
      const rows = await context.read((tx) => tx.selectFrom('virtual_keys').selectAll().orderBy('name').execute());
      return rows.map(keyOf);
    },
    revokeKey: (name, actor) =>
      context.write(async (tx) => {
        const now = context.now();
        const { numUpdatedRows } = await tx
          .updateTable('virtual_keys')
          .set({ revoked_at: now })
          .where('name', '=', name)
          .where('revoked_at', 'is', null)
          .executeTakeFirstOrThrow();
        if (numUpdatedRows > 0n)
          await audit.append(tx, now, { actor, action: 'key.revoke', subject: name, details: {} });
        const row = await byName.first(tx, { name });
        return row ? keyOf(row) : null;
      }),
  };
}

function keyOf(row: VirtualKeysTable): VirtualKey {
  return {
    name: row.name,
    tenant: row.tenant,
    team: row.team,
    hash: row.hash,
    models: fromNullableJsonText<string[]>(row.models),
    roles: fromJsonText<string[]>(row.roles),
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at === null ? null : new Date(row.revoked_at).toISOString(),
  };
}
