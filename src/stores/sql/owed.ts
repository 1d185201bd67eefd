/** Calls without a key whose answer is still owed to a client: at which door that client is, and who takes it over. */
import type { Ledger } from '../../core/ports/ledger.ts';
import { joined } from './accept.ts';
import type { LedgerParts } from './parts.ts';
import { prepare } from './prepared.ts';
import type { CallsTable } from './schema.ts';

type Debt = Pick<CallsTable, 'door' | 'repeat_hash'>;

const GIVEN: Debt = { door: null, repeat_hash: null };

export function createOwed(parts: LedgerParts): Pick<Ledger, 'owedCalls' | 'takeOwed' | 'leaveOwed' | 'giveOwed'> {
  const { db, calls } = parts;
  // Whatever ends without an answer loses its hash.
  const owed = prepare((p: { hash: string; endedFrom: number; limit: number }) =>
    db
      .selectFrom('calls')
      .select(['id', 'door', 'created_at', 'state'])
      .where('repeat_hash', '=', p.hash)
      .where((eb) => eb.or([eb('state', '<>', 'ended'), eb('ended_at', '>=', p.endedFrom)]))
      .orderBy('created_at')
      .orderBy('id')
      .limit(p.limit),
  );
  const setDebt = prepare((p: Debt & { id: string }) =>
    db.updateTable('calls').set({ door: p.door, repeat_hash: p.repeat_hash }).where('id', '=', p.id),
  );

  /** Gives the call as it was; null, with nothing changed, where it is not owed at that door. */
  const change = (callId: string, door: string | null, debtAfter: (call: CallsTable) => Debt) =>
    parts.write(async (tx) => {
      const call = await calls.lock(tx, callId);
      if (!call || call.repeat_hash === null || call.door !== door) return null;
      await setDebt.run(tx, { id: callId, ...debtAfter(call) });
      return call;
    });

  return {
    owedCalls: (hash, endedFrom, limit) =>
      parts.read(async (tx) => {
        const rows = await owed.all(tx, { hash, endedFrom, limit });
        return rows.map(({ id, door, created_at: createdAt, state }) => ({
          callId: id,
          door,
          createdAt,
          isUnstarted: state === 'accepted' || state === 'admitted',
        }));
      }),
    async takeOwed(callId, from, to) {
      // The answer of one that has ended is still to be read.
      const call = await change(callId, from, ({ repeat_hash: hash }) => ({ door: to, repeat_hash: hash }));
      return call && joined(call);
    },
    async leaveOwed(callId, door) {
      await change(callId, door, ({ repeat_hash: hash }) => ({ door: null, repeat_hash: hash }));
    },
    async giveOwed(callId, door) {
      await change(callId, door, () => GIVEN);
    },
  };
}
