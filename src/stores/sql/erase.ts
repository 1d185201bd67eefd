/**
 * Erasure of a tenant or of a subject. One transaction destroys the keys, marks the calls and writes the audit entry: from
 * its commit on nobody can read what those keys sealed. What is left then is rubbish, and is cleared in batches; pruning
 * goes on with it where a process died in between.
 */
import type { ErrorRecord } from '../../core/errors.ts';
import { HoldfastError } from '../../core/errors.ts';
import { SUBJECT_TAG } from '../../core/names.ts';
import type { EraseInput, Erasure, RecordedFailure } from '../../core/ports/ledger.ts';
import { fromNullableJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import { prepare } from './prepared.ts';
import type { CallsTable, Tx } from './schema.ts';

const BATCH = 200;
export const ERASED_TEXT = '(erased)';
/** Of a body hash: no hash is like it. */
const ERASED_HASH = 'erased';

export interface EraseVerbs {
  erase(input: EraseInput): Promise<Erasure>;
  /** Clears what erasures have left: payloads without a key, texts and tags. Gives the number of payloads deleted. */
  clearErased(): Promise<number>;
}

interface Scope {
  tenant: string | null;
  /** The handle; null for all of the tenant. */
  subject: string | null;
}

export function createErase(parts: LedgerParts, overwriteOld: () => Promise<Erasure['oldBytes']>): EraseVerbs {
  const { db, locks } = parts;

  const destroyKeys = async (tx: Tx, { tenant, subject }: Scope, actor: string): Promise<string[]> => {
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

  const countOpen = async (tx: Tx, { tenant, subject }: Scope): Promise<number> => {
    const row = await tx
      .selectFrom('calls')
      .select((eb) => eb.fn.countAll().as('open'))
      .where('state', '<>', 'ended')
      .$if(tenant !== null, (query) => query.where('tenant', '=', tenant ?? ''))
      .$if(subject !== null, (query) => query.where('subject', '=', subject ?? ''))
      .executeTakeFirstOrThrow();
    return Number(row.open);
  };

  const markCalls = async (tx: Tx, { tenant, subject }: Scope): Promise<number> => {
    const { numUpdatedRows } = await tx
      .updateTable('calls')
      .set({ erased_at: parts.now() })
      .where('erased_at', 'is', null)
      .$if(tenant !== null, (query) => query.where('tenant', '=', tenant ?? ''))
      .$if(subject !== null, (query) => query.where('subject', '=', subject ?? ''))
      .executeTakeFirstOrThrow();
    return Number(numUpdatedRows);
  };

  // A cleared call has no reference to its request any more.
  const uncleared = prepare((p: { limit: number }) =>
    locks.freeRows(
      db
        .selectFrom('calls')
        .selectAll()
        .where('erased_at', 'is not', null)
        .where('request_ref', 'is not', null)
        .limit(p.limit),
    ),
  );
  const clearCall = prepare((p: { id: string; tags: string | null; error: string | null }) =>
    db
      .updateTable('calls')
      .set({ request_ref: null, answer_ref: null, tags: p.tags, error: p.error })
      .where('id', '=', p.id),
  );
  const clearAttempt = prepare((p: { callId: string; n: number; failure: string | null }) =>
    db
      .updateTable('attempts')
      .set({ answer_ref: null, failure: p.failure })
      .where('call_id', '=', p.callId)
      .where('n', '=', p.n),
  );
  const clearClaims = prepare((p: { callId: string }) =>
    db.updateTable('idempotency').set({ body_hash: ERASED_HASH }).where('call_id', '=', p.callId),
  );
  const deleteUnreadable = prepare((p: { limit: number }) =>
    db.deleteFrom('payloads').where(
      'ref',
      'in',
      locks.freeRows(
        db
          .selectFrom('payloads')
          .select('ref')
          .where('key_id', 'in', (eb) =>
            eb.selectFrom('data_keys').select('id').where('state', '=', 'destroyed').where('purpose', '=', 'payloads'),
          )
          .limit(p.limit),
      ),
    ),
  );

  const clearOne = async (tx: Tx, call: CallsTable): Promise<void> => {
    await clearClaims.run(tx, { callId: call.id });
    for (const { n, failure } of await parts.attempts.ofCall.all(tx, { callId: call.id })) {
      await clearAttempt.run(tx, { callId: call.id, n, failure: withoutText(failure) });
    }
    await clearCall.run(tx, { id: call.id, tags: withoutSubject(call.tags), error: errorWithoutText(call.error) });
  };

  const clearCalls = () =>
    parts.write(async (tx) => {
      const calls = await uncleared.all(tx, { limit: BATCH });
      for (const call of calls) await clearOne(tx, call);
      return calls.length;
    });

  const clearErased = async (): Promise<number> => {
    while ((await clearCalls()) === BATCH);
    for (let deleted = 0; ;) {
      const count = await parts.write((tx) => deleteUnreadable.run(tx, { limit: BATCH }));
      deleted += count;
      if (count < BATCH) return deleted;
    }
  };

  return {
    clearErased,
    async erase({ tenant, subject, actor }) {
      if (tenant === null && subject === null) {
        throw new HoldfastError('invalid_request', 'Say what to erase: a tenant, a subject, or a subject of a tenant.');
      }
      const handle = subject === null ? null : await parts.ownKeys.subjectHandle(subject);
      const scope: Scope = { tenant, subject: handle };
      const done = await parts.write(async (tx) => {
        // The keys first: whoever seals with one of them has committed by now, or finds it gone.
        const keys = await destroyKeys(tx, scope, actor);
        const open = await countOpen(tx, scope);
        if (open > 0) throw stillOpen(open);
        const calls = await markCalls(tx, scope);
        const details = { tenant, keys: keys.length, calls };
        const name = handle === null ? `tenant:${tenant ?? ''}` : `subject:${handle}`;
        await parts.audit.append(tx, parts.now(), { actor, action: 'content.erase', subject: name, details });
        return { keys, calls };
      });
      for (const id of done.keys) parts.dataKeys.forget(id);
      const payloads = await clearErased();
      return {
        tenant,
        subject: handle,
        keys: done.keys.length,
        calls: done.calls,
        payloads,
        oldBytes: await overwriteOld(),
      };
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

function withoutSubject(tags: string | null): string | null {
  const known = fromNullableJsonText<Record<string, string>>(tags);
  if (known === null || known[SUBJECT_TAG] === undefined) return tags;
  return JSON.stringify({ ...known, [SUBJECT_TAG]: ERASED_TEXT });
}

function withoutMessage({ code, source, status, retryAfterMs }: ErrorRecord): ErrorRecord {
  return {
    code,
    message: ERASED_TEXT,
    source,
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

function errorWithoutText(text: string | null): string | null {
  const error = fromNullableJsonText<ErrorRecord>(text);
  return error && JSON.stringify(withoutMessage(error));
}

/** What a repeat decides by stays; what a provider said goes. */
function withoutText(text: string | null): string | null {
  const failure = fromNullableJsonText<RecordedFailure>(text);
  return failure && JSON.stringify({ ...failure, error: withoutMessage(failure.error) });
}
