/** Events for others, written in the transaction that makes them true. One reader takes and acknowledges. */
import type { JsonObject } from '../../core/json.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { OutboxEvent } from '../../core/ports/ledger/upkeep.ts';
import type { SqlContext } from './context.ts';
import { fromJsonText } from './json-text.ts';
import { prepare } from './prepared.ts';
import type { Database, Tx } from './schema.ts';

export type Outbox = ReturnType<typeof createOutbox>;

export function createOutbox(db: Database) {
  const insert = prepare((p: { type: string; at: number; body: string }) =>
    db.insertInto('outbox').values({ type: p.type, at: p.at, body: p.body }),
  );
  const oldest = prepare((p: { limit: number }) => db.selectFrom('outbox').selectAll().orderBy('id').limit(p.limit));
  const remove = prepare((p: { id: number }) => db.deleteFrom('outbox').where('id', '=', p.id));
  return {
    append: (tx: Tx, type: string, at: number, body: JsonObject) =>
      insert.run(tx, { type, at, body: JSON.stringify(body) }),
    async take(tx: Tx, limit: number): Promise<OutboxEvent[]> {
      const rows = await oldest.all(tx, { limit });
      return rows.map((row) => ({ ...row, body: fromJsonText<JsonObject>(row.body) }));
    },
    remove: (tx: Tx, id: number) => remove.run(tx, { id }),
  };
}

export function createOutboxMethods(context: SqlContext, outbox: Outbox): Pick<Ledger, 'takeOutbox' | 'ackOutbox'> {
  return {
    takeOutbox: (limit) => context.read((tx) => outbox.take(tx, limit)),
    ackOutbox: (ids) =>
      context.write(async (tx) => {
        for (const id of ids) await outbox.remove(tx, id);
      }),
  };
}
