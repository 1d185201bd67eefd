/** What the writer of an attempt reports. Each report checks the lease: a fenced writer changes nothing. */
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AttemptCharge, AttemptLease, NotWritten, RecordFailureInput } from '../../core/ports/ledger/attempts.ts';
import type { AttemptReport } from './attempts.ts';
import { callView } from './call-view.ts';
import { toNullableJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import { reconcile } from './reconcile.ts';
import { unknownEvent } from './unknown-event.ts';
import type { AttemptsTable, CallsTable, Tx } from './schema.ts';

type Standing =
  | { may: 'write' | 'reconcile' | 'repeat'; row: AttemptsTable; call: CallsTable; rows: AttemptsTable[] }
  | { may: 'nothing'; result: NotWritten };

const FENCED: NotWritten = { written: false, reason: 'fenced' };
const ENDED: NotWritten = { written: false, reason: 'ended' };

export function createRecordAttempt(
  parts: LedgerParts,
): Pick<Ledger, 'markStreaming' | 'fence' | 'recordAnswer' | 'recordFailure'> {
  const { attempts, holds, payloads } = parts;

  /** What a lease still allows. Every verb begins here, with the call's row first. */
  const standingOf = async (tx: Tx, lease: AttemptLease): Promise<Standing> => {
    const call = await parts.calls.lock(tx, lease.callId);
    const rows = await attempts.ofCall.all(tx, { callId: lease.callId });
    const row = rows.find(({ n }) => n === lease.attempt);
    if (!call || !row || row.epoch !== lease.epoch) return { may: 'nothing', result: FENCED };
    switch (row.state) {
      case 'dispatched':
      case 'streaming':
        return { may: 'write', row, call, rows };
      case 'unknown':
      case 'abandoned':
        return { may: call.state === 'ended' ? 'reconcile' : 'write', row, call, rows };
      case 'settled':
      case 'failed':
        return { may: 'repeat', row, call, rows };
      case 'reserved':
      case 'reconciled':
        return { may: 'nothing', result: ENDED };
    }
  };

  return {
    markStreaming: (lease, responseId) =>
      parts.write(async (tx) => {
        const standing = await standingOf(tx, lease);
        if (standing.may === 'nothing') return standing.result;
        if (standing.may !== 'write' || standing.row.state === 'unknown') return ENDED;
        await attempts.setStreaming.run(tx, { ...keyOf(lease), responseId });
        return { written: true };
      }),

    fence: (lease, reason) =>
      parts.write(async (tx) => {
        await parts.calls.lock(tx, lease.callId);
        const row = await attempts.find.first(tx, keyOf(lease));
        const taken = { ...lease, epoch: lease.epoch + 1 };
        if (row?.state === 'unknown' && row.epoch === taken.epoch) return taken;
        const isLive = row?.state === 'dispatched' || row?.state === 'streaming';
        if (!isLive || row.epoch !== lease.epoch) return null;
        const now = parts.now();
        await attempts.setUnknown.run(tx, { ...keyOf(lease), epoch: taken.epoch, endedAt: now, reason });
        await parts.outbox.append(tx, 'attempt-unknown', now, unknownEvent(row, reason));
        return taken;
      }),

    recordAnswer: (input) =>
      parts.write(async (tx) => {
        const { charge } = input;
        const standing = await standingOf(tx, input.lease);
        if (standing.may === 'nothing') return standing.result;
        const { row, rows, call } = standing;
        if (standing.may === 'repeat')
          return row.state === 'settled' ? { written: true, call: callView(call, rows) } : ENDED;
        if (standing.may === 'reconcile') {
          await reconcile(parts, tx, row, charge);
          return ENDED;
        }
        const now = parts.now();
        const payload = await payloads.name(tx, call, input.answerBytes);
        await payloads.put(tx, payload, now + input.payloadTtlMs);
        const report: AttemptReport = {
          ...reportOf(row, charge, input.firstTokenAt, now),
          state: 'settled',
          answer_ref: payload.ref,
          response_id: input.responseId ?? row.response_id,
          answered_model: input.answeredModel,
        };
        await attempts.report.run(tx, report);
        const touched = await holds.charge(tx, keyOf(input.lease), charge.costNanoUsd ?? 0n);
        await parts.budgetAlerts.report(tx, touched, now);
        const { callId: _callId, n: _n, ...changed } = report;
        const attemptsNow = rows.map((other) => (other.n === row.n ? { ...other, ...changed } : other));
        const success = { callId: call.id, outcome: 'succeeded', answerRef: payload.ref, error: null } as const;
        const staysOwed = call.door !== input.by;
        return { written: true, call: await parts.endCall(tx, call, attemptsNow, success, now, { staysOwed }) };
      }),

    recordFailure: (input) =>
      parts.write(async (tx) => {
        const standing = await standingOf(tx, input.lease);
        if (standing.may === 'nothing') return standing.result;
        const { row } = standing;
        if (standing.may === 'repeat') return row.state === 'failed' ? { written: true } : ENDED;
        if (standing.may === 'reconcile') {
          if (!staysUnknown(input)) await reconcile(parts, tx, row, input.charge);
          return ENDED;
        }
        // Said before: the repeat is no second event.
        if (row.state === 'unknown' && row.failure !== null && staysUnknown(input)) return { written: true };
        await attempts.report.run(tx, {
          ...reportOf(row, input.charge, input.firstTokenAt, parts.now()),
          ...(staysUnknown(input) ? { state: 'unknown', pricing: 'estimated' } : { state: 'failed' }),
          error_code: input.failure.error.code,
          failure: JSON.stringify(input.failure),
        });
        if (staysUnknown(input)) {
          const reason = `its writer lost it: ${input.failure.error.code}`;
          await parts.outbox.append(tx, 'attempt-unknown', parts.now(), unknownEvent(row, reason));
          return { written: true };
        }
        if (input.charge === null) await holds.release(tx, keyOf(input.lease));
        else {
          const touched = await holds.charge(tx, keyOf(input.lease), input.charge.costNanoUsd ?? 0n);
          await parts.budgetAlerts.report(tx, touched, parts.now());
        }
        return { written: true };
      }),
  };
}

function keyOf(lease: AttemptLease): { callId: string; n: number } {
  return { callId: lease.callId, n: lease.attempt };
}

/** The provider may have billed it and nothing says how much: the hold must stand until that is known. */
function staysUnknown({ failure, charge, outcomeUnknown = false }: RecordFailureInput): boolean {
  return (outcomeUnknown || failure.error.code === 'outcome_unknown') && charge === null;
}

function reportOf(
  row: AttemptsTable,
  charge: AttemptCharge | null,
  firstTokenAt: number | null,
  now: number,
): AttemptReport {
  return {
    callId: row.call_id,
    n: row.n,
    state: row.state,
    ended_at: now,
    error_code: null,
    failure: null,
    answer_ref: null,
    response_id: row.response_id,
    answered_model: null,
    first_token_at: firstTokenAt,
    usage: toNullableJsonText(charge?.usage),
    raw_usage: toNullableJsonText(charge?.rawUsage),
    cost_nano_usd: charge ? charge.costNanoUsd : 0n,
    computed_nano_usd: charge?.computedNanoUsd ?? null,
    pricing: charge?.pricing ?? 'priced',
    catalogue: charge?.catalogue ?? null,
    service_tier: charge?.serviceTier ?? null,
  };
}
