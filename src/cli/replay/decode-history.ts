/** A history as the server has it, with its sealed payloads opened. */
import type { Payload, PayloadCodec } from '@temporalio/common';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { isSealedPayload } from '../../temporal/history/history-codec.ts';

/** `value` is part of what `historyToJSON` writes. @throws HoldfastError `invalid_request` for a payload of another system. */
export async function decodeHistory(value: Json, codec: Pick<PayloadCodec, 'decode'>): Promise<Json> {
  if (Array.isArray(value)) return Promise.all(value.map((item) => decodeHistory(item, codec)));
  if (!isJsonObject(value)) return value;
  const payload = payloadOf(value);
  if (payload && isSealedPayload(payload)) {
    const [opened] = await codec.decode([payload]);
    return opened ? jsonOf(opened) : value;
  }
  const fields = Object.entries(value).map(async ([name, field]): Promise<[string, Json]> => [
    name,
    await decodeHistory(field ?? null, codec),
  ]);
  return Object.fromEntries(await Promise.all(fields));
}

function payloadOf({ metadata, data }: JsonObject): Payload | null {
  if (!isJsonObject(metadata) || typeof metadata['encoding'] !== 'string') return null;
  const entries = Object.entries(metadata).flatMap(([name, field]) =>
    typeof field === 'string' ? [[name, Buffer.from(field, 'base64')] as const] : [],
  );
  return { metadata: Object.fromEntries(entries), data: Buffer.from(typeof data === 'string' ? data : '', 'base64') };
}

function jsonOf({ metadata, data }: Payload): JsonObject {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const entries = Object.entries(metadata ?? {}).map(([name, bytes]) => [name, base64(bytes)]);
  return { metadata: Object.fromEntries(entries) as JsonObject, ...(data && { data: base64(data) }) };
}
