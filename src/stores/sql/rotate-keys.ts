/** New keys for old: data keys that seal no more and are emptied, and a new master key that wraps them all. */
import { HoldfastError } from '../../core/errors.ts';
import { deriveKey } from '../crypto/derive-key.ts';
import { createHistorySealer, historyKeyBytes } from '../crypto/history-key.ts';
import { masterKeyFingerprint } from '../crypto/master-key-fingerprint.ts';
import { seal } from '../crypto/seal.ts';
import { StaleKeyError, contextOf } from './data-keys.ts';
import { ALL_DATA_KEYS } from './locks.ts';
import type { LedgerParts } from './parts.ts';
import { prepare } from './prepared.ts';
import type { DataKeysTable, Tx } from './schema.ts';

export interface Rotation {
  /** Data keys that seal no more. */
  retired: number;
  /** Payloads sealed again with the keys that took their place. */
  resealed: number;
  /** Payloads that do not open, left as they are with their old key. */
  unreadable: number;
  /** Retired keys that nothing needs any more: their bytes are gone. */
  destroyed: number;
}

export interface KeyRotation {
  /** Retires all data keys of payloads and seals what they sealed again. Calls go on meanwhile; a repeat goes on where it ended. */
  rotateDataKeys(actor: string): Promise<Rotation>;
  /**
   * Wraps every key with a new master key, in one transaction. What was opened with the old one is of no use afterwards.
   * @returns how many keys were wrapped.
   */
  changeMasterKey(masterKey: Uint8Array, actor: string): Promise<number>;
}

/** Payloads may be large, and the write lock is kept for a batch. */
const RESEAL_BATCH = 16;
const WRAP_PAGE = 500;

export function createKeyRotation(parts: LedgerParts, currentMaster: Uint8Array): KeyRotation {
  const { db, locks, dataKeys } = parts;

  const retire = (actor: string) =>
    parts.write(async (tx) => {
      await locks.name(tx, ALL_DATA_KEYS);
      const rows = await tx
        .updateTable('data_keys')
        .set({ state: 'retired', ended_at: parts.now(), ended_by: actor })
        .where('purpose', '=', 'payloads')
        .where('state', '=', 'active')
        .returning('id')
        .execute();
      const details = { keys: rows.length };
      await parts.audit.append(tx, parts.now(), { actor, action: 'data-keys.rotate', subject: 'payloads', details });
      return rows.map(({ id }) => id);
    });

  const underRetired = prepare((p: { after: string; limit: number }) =>
    db
      .selectFrom('payloads')
      .innerJoin('data_keys', 'data_keys.id', 'payloads.key_id')
      .select(['payloads.ref', 'payloads.sealed', 'data_keys.id', 'data_keys.wrapped'])
      .select(['data_keys.tenant', 'data_keys.subject'])
      .where('data_keys.state', '=', 'retired')
      .where('payloads.ref', '>', p.after)
      .orderBy('payloads.ref')
      .limit(p.limit),
  );
  const reseal = prepare((p: { ref: string; from: string; to: string; sealed: Uint8Array }) =>
    db
      .updateTable('payloads')
      .set((eb) => ({
        sealed: p.sealed,
        key_id: locks.shared(
          eb.selectFrom('data_keys').select('id').where('id', '=', p.to).where('state', '=', 'active'),
        ),
      }))
      .where('ref', '=', p.ref)
      .where('key_id', '=', p.from)
      .returning('key_id'),
  );

  const resealBatch = (after: string) =>
    parts.write(async (tx) => {
      await locks.name(tx, ALL_DATA_KEYS);
      const rows = await underRetired.all(tx, { after, limit: RESEAL_BATCH });
      let unreadable = 0;
      for (const { ref, sealed, id, wrapped, tenant, subject } of rows) {
        const opened = openOrNull(() => dataKeys.of({ id, wrapped }).open(ref, sealed));
        if (!opened) {
          unreadable += 1;
          continue;
        }
        const key = await dataKeys.current(tx, { tenant, subject: subject === '' ? null : subject });
        const row = await reseal.first(tx, { ref, from: id, to: key.id, sealed: key.seal(ref, opened) });
        // No row: it was pruned or erased meanwhile.
        if (row && row.key_id !== key.id) throw new StaleKeyError(key.id);
      }
      return { last: rows.at(-1)?.ref ?? after, seen: rows.length, unreadable };
    });

  const destroyEmpty = () =>
    parts.write(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('data_keys')
        .set({ state: 'destroyed', wrapped: new Uint8Array() })
        .where('purpose', '=', 'payloads')
        .where('state', '=', 'retired')
        .where((eb) =>
          eb.not(
            eb.exists(
              eb.selectFrom('payloads').select('payloads.ref').whereRef('payloads.key_id', '=', 'data_keys.id'),
            ),
          ),
        )
        .executeTakeFirstOrThrow();
      return Number(numUpdatedRows);
    });

  const livingKeys = prepare((p: { after: string; limit: number }) =>
    locks.rows(
      db
        .selectFrom('data_keys')
        .select(['id', 'wrapped'])
        .where('state', '<>', 'destroyed')
        .where('id', '>', p.after)
        .orderBy('id')
        .limit(p.limit),
    ),
  );
  const rewrap = prepare((p: Pick<DataKeysTable, 'id' | 'wrapped'>) =>
    db.updateTable('data_keys').set({ wrapped: p.wrapped }).where('id', '=', p.id),
  );

  const rewrapAll = async (tx: Tx, wrappingKey: Uint8Array): Promise<number> => {
    let count = 0;
    for (let after = ''; ;) {
      const rows = await livingKeys.all(tx, { after, limit: WRAP_PAGE });
      for (const row of rows) {
        await rewrap.run(tx, { id: row.id, wrapped: seal(wrappingKey, contextOf(row.id), dataKeys.unwrap(row)) });
        after = row.id;
      }
      count += rows.length;
      if (rows.length < WRAP_PAGE) return count;
    }
  };

  return {
    async rotateDataKeys(actor) {
      const retired = await retire(actor);
      for (const id of retired) dataKeys.forget(id);
      const done = { resealed: 0, unreadable: 0 };
      for (let after = ''; ;) {
        const { last, seen, unreadable } = await resealBatch(after);
        done.resealed += seen - unreadable;
        done.unreadable += unreadable;
        after = last;
        if (seen < RESEAL_BATCH) break;
      }
      return { retired: retired.length, ...done, destroyed: await destroyEmpty() };
    },
    changeMasterKey: (masterKey, actor) =>
      parts.write(async (tx) => {
        const [old, next] = [currentMaster, masterKey].map(masterKeyFingerprint);
        // First of all: who makes a key meanwhile waits for this row, and then finds that its master key is the old one.
        const { numUpdatedRows } = await tx
          .updateTable('master_key')
          .set({ fingerprint: next })
          .where('fingerprint', '=', old ?? '')
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) {
          throw new HoldfastError(
            'engine_unavailable',
            'The master key of this ledger was changed by another meanwhile.',
          );
        }
        const wrappingKey = deriveKey(masterKey, 'data-keys');
        const keys = await rewrapAll(tx, wrappingKey);
        // Histories that the old master key sealed stay readable for as long as the server keeps them.
        const history = historyKeyBytes(currentMaster);
        const { id } = createHistorySealer(history);
        await tx
          .insertInto('data_keys')
          .values({
            id,
            purpose: 'histories',
            tenant: '',
            subject: id,
            wrapped: seal(wrappingKey, contextOf(id), history),
            state: 'retired',
            created_at: parts.now(),
            ended_at: parts.now(),
            ended_by: actor,
          })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        const details = { keys: keys + 1 };
        await parts.audit.append(tx, parts.now(), { actor, action: 'master-key.change', subject: 'ledger', details });
        return keys + 1;
      }),
  };
}

function openOrNull(open: () => Uint8Array): Uint8Array | null {
  try {
    return open();
  } catch {
    // Counted: one damaged payload must not keep the others under an old key.
    return null;
  }
}
