/** Reading calls: one, pages of them newest first, and those that have not ended. */
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { CallFilter, OpenCall } from '../../core/ports/ledger/calls.ts';
import { callView } from './call-view.ts';
import { callInputOf } from './calls.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { LedgerParts } from './parts.ts';
import { prepare } from './prepared.ts';
import type { AttemptsTable, CallsTable, Tx } from './schema.ts';

const MAX_PAGE = 1000;

export function createListCalls(
  parts: LedgerParts,
): Pick<Ledger, 'getCall' | 'listCalls' | 'openCalls' | 'unstartedCalls'> {
  const { db } = parts;
  const openRows = () =>
    db
      .selectFrom('calls')
      .selectAll()
      .select((eb) =>
        eb
          .exists(
            eb.selectFrom('idempotency').select('idem_key').whereRef('idempotency.call_id', '=', 'calls.id').limit(1),
          )
          .as('is_keyed'),
      )
      .where('state', '<>', 'ended')
      .orderBy('created_at')
      .orderBy('id');
  const open = prepare((p: { createdBefore: number; limit: number; skip: number }) =>
    openRows().where('created_at', '<', p.createdBefore).limit(p.limit).offset(p.skip),
  );
  const unstarted = prepare((p: { createdBefore: number; limit: number; skip: number }) =>
    openRows().where('state', '<>', 'running').where('created_at', '<', p.createdBefore).limit(p.limit).offset(p.skip),
  );

  const page = (tx: Tx, filter: CallFilter): Promise<CallsTable[]> => {
    const after = filter.after === undefined ? null : decodeCursor(filter.after);
    let query = tx.selectFrom('calls').selectAll();
    if (filter.tenant !== undefined) query = query.where('tenant', '=', filter.tenant);
    if (filter.state !== undefined) query = query.where('state', '=', filter.state);
    if (after) {
      query = query
        .where('created_at', '<=', after.createdAt)
        .where((eb) => eb.or([eb('created_at', '<', after.createdAt), eb('id', '<', after.id)]));
    }
    return query
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(filter.limit + 1)
      .execute();
  };

  const attemptsOf = async (tx: Tx, calls: readonly CallsTable[]): Promise<Map<string, AttemptsTable[]>> => {
    if (calls.length === 0) return new Map();
    const ids = calls.map((call) => call.id);
    const rows = await tx.selectFrom('attempts').selectAll().where('call_id', 'in', ids).orderBy('n').execute();
    return Map.groupBy(rows, (row) => row.call_id);
  };

  return {
    getCall: (callId) =>
      parts.read(async (tx) => {
        const call = await parts.calls.find(tx, callId);
        return call ? callView(call, await parts.attempts.ofCall.all(tx, { callId })) : null;
      }),
    async listCalls(filter) {
      if (!Number.isInteger(filter.limit) || filter.limit < 1 || filter.limit > MAX_PAGE) {
        throw new HoldfastError('invalid_request', `limit must be an integer from 1 to ${String(MAX_PAGE)}`, {
          param: 'limit',
        });
      }
      return parts.read(async (tx) => {
        const rows = await page(tx, filter);
        const calls = rows.slice(0, filter.limit);
        const attempts = await attemptsOf(tx, calls);
        const last = calls.at(-1);
        return {
          calls: calls.map((call) => callView(call, attempts.get(call.id) ?? [])),
          next: last && rows.length > filter.limit ? encodeCursor({ createdAt: last.created_at, id: last.id }) : null,
        };
      });
    },
    openCalls: (createdBefore, limit, skip = 0) =>
      parts.read(async (tx) => {
        const rows = await open.all(tx, { createdBefore, limit, skip });
        return rows.map(openCallOf);
      }),
    unstartedCalls: (createdBefore, limit, skip = 0) =>
      parts.read(async (tx) => {
        const rows = await unstarted.all(tx, { createdBefore, limit, skip });
        return rows.map(openCallOf);
      }),
  };
}

function openCallOf(row: CallsTable & { is_keyed: unknown }): OpenCall {
  return {
    input: callInputOf(row),
    state: row.state,
    createdAt: row.created_at,
    isKeyed: Boolean(row.is_keyed),
  };
}
