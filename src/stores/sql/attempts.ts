/** Rows of attempts. What may follow what is decided by the verbs: admit, open, record, settle. */
import type { Pricing } from '../../core/call/types.ts';
import type { AttemptState } from '../../core/ports/ledger/views.ts';
import type { AttemptKey } from './holds.ts';
import { prepare } from './prepared.ts';
import type { AttemptsTable, Database } from './schema.ts';

export type Attempts = ReturnType<typeof createAttempts>;

type NewAttempt = Pick<
  AttemptsTable,
  | 'call_id'
  | 'n'
  | 'order_no'
  | 'owner'
  | 'state'
  | 'provider'
  | 'model'
  | 'credential'
  | 'worst_case_nano_usd'
  | 'started_at'
  | 'ended_at'
  | 'error_code'
  | 'failure'
>;

/** What a report of the writer sets. Written whole, so that a repeat writes the same row. */
export type AttemptReport = AttemptKey &
  Pick<AttemptsTable, 'state' | 'ended_at' | 'error_code' | 'failure' | 'answer_ref' | 'response_id'> &
  Pick<
    AttemptsTable,
    'answered_model' | 'first_token_at' | 'usage' | 'raw_usage' | 'cost_nano_usd' | 'computed_nano_usd'
  > &
  Pick<AttemptsTable, 'pricing' | 'catalogue' | 'service_tier'>;

export function createAttempts(db: Database) {
  const update = () => db.updateTable('attempts');
  return {
    ofCall: prepare((p: { callId: string }) =>
      db.selectFrom('attempts').selectAll().where('call_id', '=', p.callId).orderBy('n'),
    ),
    find: prepare((p: AttemptKey) =>
      db.selectFrom('attempts').selectAll().where('call_id', '=', p.callId).where('n', '=', p.n),
    ),
    insert: prepare((p: NewAttempt) =>
      db.insertInto('attempts').values({
        call_id: p.call_id,
        n: p.n,
        order_no: p.order_no,
        epoch: 1,
        owner: p.owner,
        state: p.state,
        provider: p.provider,
        model: p.model,
        credential: p.credential,
        worst_case_nano_usd: p.worst_case_nano_usd,
        started_at: p.started_at,
        ended_at: p.ended_at,
        error_code: p.error_code,
        failure: p.failure,
        pricing: 'priced',
      }),
    ),
    remove: prepare((p: AttemptKey) => db.deleteFrom('attempts').where('call_id', '=', p.callId).where('n', '=', p.n)),
    dispatch: prepare((p: AttemptKey & { owner: string; credential: string | null; startedAt: number }) =>
      update()
        .set({ state: 'dispatched', owner: p.owner, credential: p.credential, started_at: p.startedAt })
        .where('call_id', '=', p.callId)
        .where('n', '=', p.n),
    ),
    setStreaming: prepare((p: AttemptKey & { responseId: string | null }) =>
      update()
        .set((eb) => ({ state: 'streaming', response_id: eb.fn.coalesce(eb.val(p.responseId), 'response_id') }))
        .where('call_id', '=', p.callId)
        .where('n', '=', p.n),
    ),
    /** The outcome is not known: its cost can only be an estimate. */
    setUnknown: prepare((p: AttemptKey & { epoch: number; endedAt: number; reason: string }) =>
      update()
        .set({
          state: 'unknown',
          epoch: p.epoch,
          ended_at: p.endedAt,
          error_code: 'outcome_unknown',
          unknown_reason: p.reason,
          pricing: 'estimated',
        })
        .where('call_id', '=', p.callId)
        .where('n', '=', p.n),
    ),
    book: prepare((p: AttemptKey & { state: AttemptState; cost: bigint | null; pricing: Pricing }) =>
      update()
        .set({ state: p.state, cost_nano_usd: p.cost, pricing: p.pricing })
        .where('call_id', '=', p.callId)
        .where('n', '=', p.n),
    ),
    report: prepare((p: AttemptReport) =>
      update()
        .set({
          state: p.state,
          ended_at: p.ended_at,
          error_code: p.error_code,
          failure: p.failure,
          answer_ref: p.answer_ref,
          response_id: p.response_id,
          answered_model: p.answered_model,
          first_token_at: p.first_token_at,
          usage: p.usage,
          raw_usage: p.raw_usage,
          cost_nano_usd: p.cost_nano_usd,
          computed_nano_usd: p.computed_nano_usd,
          pricing: p.pricing,
          catalogue: p.catalogue,
          service_tier: p.service_tier,
        })
        .where('call_id', '=', p.callId)
        .where('n', '=', p.n),
    ),
    /** Of ended calls, and with an id that the provider can be asked by. */
    unknownWithId: prepare((p: { startedFrom: number; limit: number }) =>
      db
        .selectFrom('attempts')
        .innerJoin('calls', 'calls.id', 'attempts.call_id')
        .selectAll('attempts')
        .select(['calls.tenant', 'calls.request_ref'])
        .where('attempts.state', '=', 'unknown')
        .where('attempts.response_id', 'is not', null)
        .where('attempts.started_at', '>=', p.startedFrom)
        .where('calls.state', '=', 'ended')
        .orderBy('attempts.started_at')
        .limit(p.limit),
    ),
    unknownBefore: prepare((p: { startedBefore: number; limit: number }) =>
      db
        .selectFrom('attempts')
        .selectAll()
        .where('state', '=', 'unknown')
        .where('started_at', '<', p.startedBefore)
        .orderBy('started_at')
        .limit(p.limit),
    ),
  };
}

/** What the attempts of a call cost together, and how sure that is. */
export function totalCost(attempts: readonly AttemptsTable[]): { cost: bigint; pricing: Pricing } {
  let cost = 0n;
  let pricing: Pricing = 'priced';
  for (const attempt of attempts) {
    cost += attempt.cost_nano_usd ?? 0n;
    if (attempt.pricing === 'unpriced') pricing = 'unpriced';
    else if (attempt.pricing === 'estimated' && pricing === 'priced') pricing = 'estimated';
  }
  return { cost, pricing };
}
