/** The end of a call that no answer ended: what never left is released, what left and did not report becomes unknown. */
import type { Ledger } from '../../core/ports/ledger.ts';
import { callView } from './call-view.ts';
import type { LedgerParts } from './parts.ts';
import type { AttemptsTable, Tx } from './schema.ts';
import { unknownEvent } from './unknown-event.ts';

export function createSettle(parts: LedgerParts): Pick<Ledger, 'settle'> {
  const { calls, attempts, holds } = parts;

  /** Gives the attempt as it stands afterwards; null when it never left and its row is gone. */
  const settleAttempt = async (tx: Tx, row: AttemptsTable, now: number): Promise<AttemptsTable | null> => {
    const key = { callId: row.call_id, n: row.n };
    switch (row.state) {
      case 'reserved':
        await holds.release(tx, key);
        await attempts.remove.run(tx, key);
        return null;
      case 'dispatched':
      case 'streaming': {
        const reason = 'the call ended before the attempt reported';
        await attempts.setUnknown.run(tx, { ...key, epoch: row.epoch, endedAt: now, reason });
        await parts.outbox.append(tx, 'attempt-unknown', now, unknownEvent(row, reason));
        return { ...row, state: 'unknown', pricing: 'estimated', ended_at: now, error_code: 'outcome_unknown' };
      }
      case 'settled':
      case 'failed':
      case 'unknown':
      case 'reconciled':
      case 'abandoned':
        return row;
    }
  };

  return {
    settle: (settlement, { unlessDispatched = false } = {}) =>
      parts.write(async (tx) => {
        const call = await calls.get(tx, settlement.callId);
        const rows = await attempts.ofCall.all(tx, { callId: call.id });
        if (call.state === 'ended') return callView(call, rows);
        if (unlessDispatched && rows.some(({ state }) => state !== 'reserved')) return callView(call, rows);
        const now = parts.now();
        const settled: AttemptsTable[] = [];
        for (const row of rows) {
          const after = await settleAttempt(tx, row, now);
          if (after) settled.push(after);
        }
        return parts.endCall(tx, call, settled, settlement, now);
      }),
  };
}
