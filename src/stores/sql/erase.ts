/**
 * Erasure of a tenant or of a subject. One short transaction destroys the keys, writes the audit entry and notes what is to
 * be cleared: from its commit on nobody can read what those keys sealed. What is left then is rubbish, and is cleared in
 * batches (`clear-erased.ts`); pruning goes on with it where a process died in between.
 */
import { randomBytes } from 'node:crypto';
import { HoldfastError } from '../../core/errors.ts';
import type { EraseInput, Erasure } from '../../core/ports/ledger/upkeep.ts';
import { within, type ClearErased } from './clear-erased.ts';
import type { ErasedScope } from './erased-users.ts';
import { ALL_DATA_KEYS } from './locks.ts';
import type { LedgerParts } from './parts.ts';
import type { ErasuresTable, Tx } from './schema.ts';

export function createErase(
  parts: LedgerParts,
  { clear, hasBudgets }: Pick<ClearErased, 'clear' | 'hasBudgets'>,
  overwriteOld: () => Promise<Erasure['oldBytes']>,
): { erase(input: EraseInput): Promise<Erasure> } {
  const destroyKeys = async (tx: Tx, { tenant, subject }: ErasedScope, actor: string): Promise<string[]> => {
    const rows = await tx
      .updateTable('data_keys')
      .set({ state: 'destroyed', wrapped: new Uint8Array(), ended_at: parts.now(), ended_by: actor })
      .where('purpose', '=', 'payloads')
      .where('state', '<>', 'destroyed')
      .$if(tenant !== null, (query) => query.where('tenant', '=', tenant ?? ''))
      .$if(subject !== null, (query) => query.where('subject', '=', subject ?? ''))
      .returning('id')
      .execute();
    return rows.map(({ id }) => id);
  };

  const countOpen = async (tx: Tx, scope: ErasedScope): Promise<number> => {
    const row = await tx
      .selectFrom('calls')
      .select((eb) => eb.fn.countAll().as('open'))
      .where('state', '<>', 'ended')
      .where(within(scope))
      .executeTakeFirstOrThrow();
    return Number(row.open);
  };

  /** When its newest call was accepted, by the clock of whichever node that was; null when there is no call. */
  const newestCall = async (tx: Tx, scope: ErasedScope): Promise<number | null> => {
    const newest = tx.selectFrom('calls').select('created_at').where(within(scope)).orderBy('created_at', 'desc');
    return (await newest.limit(1).executeTakeFirst())?.created_at ?? null;
  };

  const note = async (tx: Tx, scope: ErasedScope, newest: number | null): Promise<ErasuresTable> => {
    const at = parts.now();
    const id = `er_${randomBytes(12).toString('base64url')}`;
    const erasure = { id, ...scope, at, up_to: Math.max(at, newest ?? 0) };
    await tx.insertInto('erasures').values(erasure).execute();
    return erasure;
  };

  return {
    async erase({ tenant, subject, actor }) {
      if (tenant === null && subject === null) {
        throw new HoldfastError('invalid_request', 'Say what to erase: a tenant, a subject, or a subject of a tenant.');
      }
      const handle = subject === null ? null : await parts.ownKeys.subjectHandle(subject);
      const scope: ErasedScope = { tenant, subject: handle };
      // Of a subject whose calls are all pruned, key and payloads are gone as well, and only its sums may bear its name.
      const isPayer = await hasBudgets(scope);
      const { keys, erasure } = await parts.write(async (tx) => {
        await parts.locks.name(tx, ALL_DATA_KEYS);
        // The keys first: whoever seals with one of them has committed by now, or finds it gone.
        const keys = await destroyKeys(tx, scope, actor);
        const open = await countOpen(tx, scope);
        if (open > 0) throw stillOpen(open);
        const newest = await newestCall(tx, scope);
        if (keys.length === 0 && newest === null && !isPayer) throw nothingFound(scope);
        const erasure = await note(tx, scope, newest);
        const name = handle === null ? `tenant:${tenant ?? ''}` : `subject:${handle}`;
        const details = { tenant, keys: keys.length };
        await parts.audit.append(tx, parts.now(), { actor, action: 'content.erase', subject: name, details });
        return { keys, erasure };
      });
      for (const id of keys) parts.dataKeys.forget(id);
      const { calls, payloads, isDone } = await clear(erasure);
      return { tenant, subject: handle, keys: keys.length, calls, payloads, isDone, oldBytes: await overwriteOld() };
    },
  };
}

function stillOpen(open: number): HoldfastError {
  return new HoldfastError(
    'invalid_request',
    `${String(open)} calls of it have not ended, and would lose their requests. Nothing was erased. ` +
      'Revoke its keys, let the calls end or cancel them (`holdfast calls list`), and erase then.',
    { details: { open } },
  );
}

function nothingFound({ subject }: ErasedScope): HoldfastError {
  return new HoldfastError(
    'not_found',
    `No call has this ${subject === null ? 'tenant' : 'subject'}, so nothing was erased. ` +
      'Names and ids are matched exactly as calls sent them.',
  );
}
