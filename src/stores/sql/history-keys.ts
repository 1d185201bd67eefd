/** The keys of histories: that of the master key, and those of former ones, which the ledger keeps for as long as histories may need them. */
import { createHistorySealer, historyKeyBytes, type HistorySealer } from '../crypto/history-key.ts';
import type { SqlContext } from './context.ts';
import type { DataKeys } from './data-keys.ts';
import { prepare } from './prepared.ts';

export interface HistoryKeys {
  current: HistorySealer;
  /** Null when the ledger never had it. */
  find(id: string): Promise<HistorySealer | null>;
}

export function createHistoryKeys(
  context: SqlContext,
  keys: Pick<DataKeys, 'unwrap'>,
  masterKey: Uint8Array,
): HistoryKeys {
  const current = createHistorySealer(historyKeyBytes(masterKey));
  /** As many as there were master keys. */
  const known = new Map([[current.id, current]]);
  const byId = prepare((p: { id: string }) =>
    context.db
      .selectFrom('data_keys')
      .select(['id', 'wrapped'])
      .where('id', '=', p.id)
      .where('purpose', '=', 'histories'),
  );
  return {
    current,
    async find(id) {
      const inMemory = known.get(id);
      if (inMemory) return inMemory;
      const row = await context.read((tx) => byId.first(tx, { id }));
      if (!row) return null;
      const sealer = createHistorySealer(keys.unwrap(row));
      known.set(sealer.id, sealer);
      return sealer;
    },
  };
}
