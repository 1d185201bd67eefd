import type { JsonObject } from '../../core/json.ts';
import type { AttemptsTable } from './schema.ts';

/** For the outbox: bytes left, and nobody knows what became of them. What it may have cost at most stands with it. */
export function unknownEvent(row: AttemptsTable, reason: string): JsonObject {
  return {
    callId: row.call_id,
    attempt: row.n,
    provider: row.provider,
    model: row.model,
    credential: row.credential,
    worstCaseNanoUsd: row.worst_case_nano_usd?.toString() ?? null,
    reason,
  };
}
