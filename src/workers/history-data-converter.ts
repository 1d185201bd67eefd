/** `createHistoryDataConverter`: for trusted programs that speak to the namespace themselves. */
import type { DataConverter } from '@temporalio/common';
import { HoldfastError } from '../core/errors.ts';
import { KEY_BYTES } from '../stores/crypto/derive-key.ts';
import { createHistorySealer } from '../stores/crypto/history-key.ts';
import { createHistoryConverter } from '../temporal/history/history-converter.ts';

export interface HistoryDataConverterOptions {
  /** Of the client or worker that it is for. Default `default`. */
  namespace?: string;
  /** 32 bytes each, as `holdfast secrets history-key` prints them in base64: the first seals, all of them open. */
  keys: readonly [Uint8Array, ...Uint8Array[]];
}

/**
 * Seals and opens the payloads of histories as the nodes do, where `security.encryptHistories` is on.
 * @throws HoldfastError `invalid_request` for a key that is not of 32 bytes.
 * @example
 * const key = Buffer.from(process.env.HOLDFAST_HISTORY_KEY ?? '', 'base64');
 * const client = new Client({ connection, dataConverter: createHistoryDataConverter({ keys: [key] }) });
 * const holdfast = createTemporalClient({ client });
 */
export function createHistoryDataConverter({
  namespace = 'default',
  keys,
}: HistoryDataConverterOptions): DataConverter {
  if (keys.some((key) => key.byteLength !== KEY_BYTES)) {
    throw new HoldfastError('invalid_request', `A history key has ${String(KEY_BYTES)} bytes.`, { param: 'keys' });
  }
  const sealers = keys.map((key) => createHistorySealer(key));
  return createHistoryConverter({
    namespace,
    sealer: sealers[0] ?? null,
    find: (id) => Promise.resolve(sealers.find((sealer) => sealer.id === id) ?? null),
  });
}
