/**
 * The last step before bytes leave: the row says `dispatched` and the hold stands, in one transaction. A retried
 * activity comes with the same order and learns here what became of its earlier try.
 */
import type { ErrorRecord } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type {
  AttemptReview,
  OpenAttemptInput,
  OpenAttemptResult,
  RecordedFailure,
} from '../../core/ports/ledger/attempts.ts';
import { callView } from './call-view.ts';
import { fromJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import type { AttemptsTable, Tx } from './schema.ts';

const FIRST_EPOCH = 1;

export function createOpenAttempt(parts: LedgerParts): Pick<Ledger, 'openAttempt' | 'reviewAttempt'> {
  const { calls, attempts, holds } = parts;

  const dispatchReserved = async (tx: Tx, input: OpenAttemptInput, row: AttemptsTable): Promise<OpenAttemptResult> => {
    const key = { callId: input.callId, n: row.n };
    const isAsReserved =
      row.provider === input.candidate.provider &&
      row.model === input.candidate.model &&
      row.worst_case_nano_usd === input.worstCaseNanoUsd;
    if (!isAsReserved) {
      await holds.release(tx, key);
      await attempts.remove.run(tx, key);
      return dispatchNew(tx, input, row.n);
    }
    const { owner, credential } = input;
    await attempts.dispatch.run(tx, { ...key, owner, credential, startedAt: parts.now() });
    return { status: 'dispatched', lease: { callId: input.callId, attempt: row.n, epoch: row.epoch } };
  };

  const dispatchNew = async (tx: Tx, input: OpenAttemptInput, n: number): Promise<OpenAttemptResult> => {
    const now = parts.now();
    const refusal = await holds.refusal(tx, input.budgets, input.worstCaseNanoUsd, now);
    await attempts.insert.run(tx, {
      call_id: input.callId,
      n,
      order_no: input.order,
      owner: input.owner,
      state: refusal ? 'failed' : 'dispatched',
      provider: input.candidate.provider,
      model: input.candidate.model,
      credential: input.credential,
      worst_case_nano_usd: input.worstCaseNanoUsd,
      started_at: now,
      ended_at: refusal ? now : null,
      error_code: refusal?.code ?? null,
      failure: refusal ? JSON.stringify(refusedFailure(refusal)) : null,
    });
    if (refusal) return { status: 'refused', error: refusal };
    await holds.make(tx, { callId: input.callId, n }, input.budgets, input.worstCaseNanoUsd, now);
    return { status: 'dispatched', lease: { callId: input.callId, attempt: n, epoch: FIRST_EPOCH } };
  };

  return {
    openAttempt: (input) =>
      parts.write(async (tx) => {
        const call = await calls.get(tx, input.callId);
        const rows = await attempts.ofCall.all(tx, { callId: input.callId });
        const latest = rows.findLast((row) => row.order_no === input.order);
        if (latest?.state === 'settled') return { status: 'answered', attempt: latest.n, call: callView(call, rows) };
        if (latest?.state === 'dispatched' && latest.owner === input.owner) return dispatched(latest);
        const isAskedFor = input.asksFirst && latest?.response_id != null && isUnreported(latest);
        const earlier = latest && (isAskedFor ? interrupted(latest) : outcomeOf(latest));
        if (earlier) return earlier;
        if (call.state === 'ended') return { status: 'ended' };
        if (call.state !== 'running') await calls.setState(tx, input.callId, 'running');
        if (latest?.state === 'reserved') return dispatchReserved(tx, input, latest);
        return dispatchNew(tx, input, (rows.at(-1)?.n ?? 0) + 1);
      }),

    reviewAttempt: (callId, order) =>
      parts.read(async (tx) => {
        const call = await calls.find(tx, callId);
        const rows = await attempts.ofCall.all(tx, { callId });
        const latest = rows.findLast((row) => row.order_no === order);
        if (!call || !latest) return null;
        if (latest.state === 'settled') return { status: 'answered', attempt: latest.n, call: callView(call, rows) };
        const outcome = isUnreported(latest) ? interrupted(latest) : outcomeOf(latest);
        return call.state === 'ended' && outcome?.status !== 'failed' ? { status: 'ended' } : outcome;
      }),
  };
}

/** Its sender asks again: its first try was written and the word of it lost. No byte has left. */
function dispatched(row: AttemptsTable): OpenAttemptResult {
  return { status: 'dispatched', lease: { callId: row.call_id, attempt: row.n, epoch: row.epoch } };
}

/** How an earlier try of this order ended without an answer; null when it may (still or again) be dispatched. */
function outcomeOf(row: AttemptsTable): AttemptReview | null {
  switch (row.state) {
    case 'failed':
      return failedResult(row);
    case 'dispatched':
    case 'streaming':
      return interrupted(row);
    case 'unknown':
      // Reported by its own writer, it is an outcome; fenced by another, it makes room for a new attempt.
      return row.failure === null ? null : failedResult(row);
    case 'settled':
    case 'reserved':
    case 'reconciled':
    case 'abandoned':
      return null;
  }
}

/** Taken from its sender, by someone who has not said yet what became of it. */
function isUnreported(row: AttemptsTable): boolean {
  return row.state === 'unknown' && row.failure === null;
}

function interrupted(row: AttemptsTable): AttemptReview {
  return {
    status: 'interrupted',
    lease: { callId: row.call_id, attempt: row.n, epoch: row.epoch },
    responseId: row.response_id,
    delivered: row.state !== 'dispatched',
    ...(row.state === 'unknown' && { isFenced: true }),
  };
}

function failedResult(row: AttemptsTable): AttemptReview {
  if (row.failure === null) throw new Error(`attempt ${String(row.n)} of ${row.call_id} has no failure`);
  const failure = fromJsonText<RecordedFailure>(row.failure);
  if (failure.error.code === 'budget_exceeded') return { status: 'refused', error: failure.error };
  return { status: 'failed', attempt: row.n, failure };
}

/** A refusal is final for its order: a repeat finds it, even if room was made since. */
function refusedFailure(error: ErrorRecord): RecordedFailure {
  return { error, retryable: false, failOver: false, delivered: false };
}
