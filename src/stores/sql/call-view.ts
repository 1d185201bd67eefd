/** Calls as the reading commands and the API show them: camelCase, money as decimal strings, ISO times. */
import type { ErrorRecord } from '../../core/errors.ts';
import type { AttemptView, CallView } from '../../core/ports/ledger/views.ts';
import type { Usage } from '../../core/usage.ts';
import { totalCost } from './attempts.ts';
import { fromNullableJsonText } from './json-text.ts';
import type { AttemptsTable, CallsTable } from './schema.ts';

export function callView(call: CallsTable, attempts: readonly AttemptsTable[]): CallView {
  const total = call.state === 'ended' ? { cost: call.cost_nano_usd, pricing: call.pricing } : totalCost(attempts);
  return {
    id: call.id,
    tenant: call.tenant,
    kind: call.kind,
    model: call.model,
    state: call.state,
    outcome: call.outcome,
    createdAt: isoTime(call.created_at),
    endedAt: call.ended_at === null ? null : isoTime(call.ended_at),
    costNanoUsd: total.cost.toString(),
    pricing: total.pricing,
    error: fromNullableJsonText<ErrorRecord>(call.error),
    key: call.key_name,
    tags: fromNullableJsonText<Record<string, string>>(call.tags) ?? {},
    requestRef: call.request_ref,
    answerRef: call.answer_ref,
    ...(call.state === 'ended' && call.repeat_hash !== null && { isOwed: true as const }),
    ...(call.erased_at !== null && { erasedAt: isoTime(call.erased_at) }),
    attempts: attempts.map(attemptView),
  };
}

function attemptView(row: AttemptsTable): AttemptView {
  return {
    n: row.n,
    order: row.order_no,
    provider: row.provider,
    model: row.model,
    credential: row.credential,
    state: row.state,
    ...(row.error_code !== null && { errorCode: row.error_code }),
    startedAt: isoTime(row.started_at),
    ...(row.first_token_at !== null && { firstTokenAt: isoTime(row.first_token_at) }),
    ...(row.ended_at !== null && { endedAt: isoTime(row.ended_at) }),
    usage: fromNullableJsonText<Usage>(row.usage),
    costNanoUsd: (row.cost_nano_usd ?? 0n).toString(),
    pricing: row.pricing,
  };
}

function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
