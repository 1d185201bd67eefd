/** Rows of calls, and the workflow input as it stands in them. */
import type { Admission, CallInput, CallOutcome, Pricing } from '../../core/call/types.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { RepeatMark } from '../../core/ports/ledger/calls.ts';
import type { CallState } from '../../core/ports/ledger/views.ts';
import { fromNullableJsonText, toNullableJsonText } from './json-text.ts';
import type { Locks } from './locks.ts';
import { prepare } from './prepared.ts';
import type { CallsTable, Database, Tx } from './schema.ts';

export type Calls = ReturnType<typeof createCalls>;

interface EndedCall {
  id: string;
  outcome: CallOutcome;
  endedAt: number;
  answerRef: string | null;
  error: string | null;
  cost: bigint;
  pricing: Pricing;
  door: string | null;
  repeatHash: string | null;
}

export function createCalls(db: Database, locks: Locks) {
  const byId = prepare((p: { id: string }) => db.selectFrom('calls').selectAll().where('id', '=', p.id));
  const lockById = prepare((p: { id: string }) =>
    locks.rows(db.selectFrom('calls').selectAll().where('id', '=', p.id)),
  );
  const insert = prepare((p: CallsTable) =>
    db
      .insertInto('calls')
      .values({
        id: p.id,
        tenant: p.tenant,
        key_name: p.key_name,
        key_models: p.key_models,
        kind: p.kind,
        model: p.model,
        state: p.state,
        outcome: p.outcome,
        created_at: p.created_at,
        ended_at: p.ended_at,
        cost_nano_usd: p.cost_nano_usd,
        pricing: p.pricing,
        error: p.error,
        tags: p.tags,
        subject: p.subject,
        erased_at: p.erased_at,
        request_ref: p.request_ref,
        answer_ref: p.answer_ref,
        admission: p.admission,
        door: p.door,
        repeat_hash: p.repeat_hash,
      })
      .onConflict((conflict) => conflict.column('id').doNothing()),
  );
  const setAdmission = prepare((p: { id: string; state: CallState; admission: string }) =>
    db.updateTable('calls').set({ state: p.state, admission: p.admission }).where('id', '=', p.id),
  );
  const setState = prepare((p: { id: string; state: CallState }) =>
    db.updateTable('calls').set({ state: p.state }).where('id', '=', p.id),
  );
  const setCost = prepare((p: { id: string; cost: bigint; pricing: Pricing }) =>
    db.updateTable('calls').set({ cost_nano_usd: p.cost, pricing: p.pricing }).where('id', '=', p.id),
  );
  const end = prepare((p: EndedCall) =>
    db
      .updateTable('calls')
      .set({
        state: 'ended',
        outcome: p.outcome,
        ended_at: p.endedAt,
        answer_ref: p.answerRef,
        error: p.error,
        cost_nano_usd: p.cost,
        pricing: p.pricing,
        door: p.door,
        repeat_hash: p.repeatHash,
      })
      .where('id', '=', p.id),
  );

  return {
    find: (tx: Tx, id: string) => byId.first(tx, { id }),
    /** Locks the call: whoever writes to it or its attempts begins here, so that they come one after the other. */
    lock: (tx: Tx, id: string) => lockById.first(tx, { id }),
    /** Locks the call and gives it. @throws HoldfastError `not_found`. */
    async get(tx: Tx, id: string): Promise<CallsTable> {
      const row = await lockById.first(tx, { id });
      if (!row) throw new HoldfastError('not_found', `There is no call ${id} in the ledger.`);
      return row;
    },
    /** Makes the row of a new call; false when the id is taken. */
    async insert(
      tx: Tx,
      input: CallInput,
      subject: string | null,
      createdAt: number,
      repeat: RepeatMark | null = null,
    ): Promise<boolean> {
      return (await insert.run(tx, newCallRow(input, subject, createdAt, repeat))) === 1;
    },
    setAdmission: (tx: Tx, id: string, state: CallState, admission: Admission) =>
      setAdmission.run(tx, { id, state, admission: JSON.stringify(admission) }),
    setState: (tx: Tx, id: string, state: CallState) => setState.run(tx, { id, state }),
    setCost: (tx: Tx, id: string, cost: bigint, pricing: Pricing) => setCost.run(tx, { id, cost, pricing }),
    end: (tx: Tx, call: EndedCall) => end.run(tx, call),
  };
}

function newCallRow(
  input: CallInput,
  subject: string | null,
  createdAt: number,
  repeat: RepeatMark | null,
): CallsTable {
  return {
    id: input.callId,
    tenant: input.principal.tenant,
    key_name: input.principal.key,
    key_models: toNullableJsonText(input.principal.models),
    kind: input.kind,
    model: input.model,
    state: 'accepted',
    outcome: null,
    created_at: createdAt,
    ended_at: null,
    cost_nano_usd: 0n,
    pricing: 'priced',
    error: null,
    tags: toNullableJsonText(input.tags),
    subject,
    erased_at: null,
    request_ref: input.requestRef,
    answer_ref: null,
    admission: null,
    door: repeat?.door ?? null,
    repeat_hash: repeat?.hash ?? null,
  };
}

/** The workflow input that a row was made from, always by reference. */
export function callInputOf(row: CallsTable): CallInput {
  const tags = fromNullableJsonText<Record<string, string>>(row.tags);
  return {
    callId: row.id,
    kind: row.kind,
    model: row.model,
    principal: { tenant: row.tenant, key: row.key_name, models: fromNullableJsonText<string[]>(row.key_models) },
    requestRef: row.request_ref,
    ...(tags && { tags }),
  };
}
