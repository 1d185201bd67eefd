/**
 * Payloads of histories, sealed before they leave this process: inputs, results, markers, heartbeat details, summaries, and
 * with `encoding-failure-converter.ts` the texts of failures.
 *
 * A sealed payload has the metadata `encoding: binary/encrypted` and `encryption-key-id`. What is sealed is the length of a
 * JSON text as four bytes, big-endian, that text (the metadata, each value in base64), and the data.
 */
import type { Payload, PayloadCodec } from '@temporalio/common';
import { HoldfastError } from '../../core/errors.ts';

export interface HistoryKey {
  readonly id: string;
  /** AES-256-GCM; `context` is authenticated with it. */
  seal(context: string, bytes: Uint8Array): Uint8Array;
  /** @throws Error when it was sealed otherwise. */
  open(context: string, sealed: Uint8Array): Uint8Array;
}

export interface HistoryCodecOptions {
  /** Payloads open only in the namespace that they were sealed for. */
  namespace: string;
  /** What seals; null leaves payloads as they are. */
  sealer: HistoryKey | null;
  /** A key by the id in a payload, such as one that sealed before a new master key; null when it is not known. */
  find(id: string): Promise<HistoryKey | null>;
}

const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const LENGTH_BYTES = 4;

/** What was never sealed passes through: callers in other languages may start calls in the open. */
export function createHistoryCodec({ namespace, sealer, find }: HistoryCodecOptions): PayloadCodec {
  const contextOf = (id: string) => `history/${namespace}/${id}`;

  const encode = (key: HistoryKey, payload: Payload): Payload => ({
    metadata: { encoding: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(key.id) },
    data: key.seal(contextOf(key.id), pack(payload)),
  });

  const decode = async (payload: Payload): Promise<Payload> => {
    if (metadataText(payload, 'encoding') !== ENCODING) return payload;
    const id = metadataText(payload, KEY_ID);
    const key = sealer?.id === id ? sealer : await find(id);
    if (!key) {
      throw refused(`it was sealed with the key "${id.slice(0, 64)}", which this ledger does not have`);
    }
    let opened: Uint8Array;
    try {
      opened = key.open(contextOf(id), payload.data ?? new Uint8Array());
    } catch (cause) {
      const error = refused(
        `it does not open in the namespace ${namespace}: it belongs to another one, or was changed`,
      );
      error.cause = cause;
      throw error;
    }
    return unpack(opened);
  };

  return {
    encode: (payloads) => Promise.resolve(sealer ? payloads.map((payload) => encode(sealer, payload)) : payloads),
    decode: (payloads) => Promise.all(payloads.map(decode)),
  };
}

export function isSealedPayload(payload: Payload): boolean {
  return metadataText(payload, 'encoding') === ENCODING;
}

function metadataText({ metadata }: Payload, name: string): string {
  const value = metadata?.[name];
  return value ? Buffer.from(value).toString('utf8') : '';
}

function pack({ metadata, data }: Payload): Uint8Array {
  const entries = Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, data ?? new Uint8Array()]);
}

/** Only what `pack` made gets here: it was authenticated. */
function unpack(bytes: Uint8Array): Payload {
  const packed = Buffer.from(bytes);
  const end = LENGTH_BYTES + packed.readUInt32BE(0);
  const metadata = JSON.parse(packed.subarray(LENGTH_BYTES, end).toString('utf8')) as Record<string, string>;
  const entries = Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]);
  return { metadata: Object.fromEntries(entries) as Record<string, Uint8Array>, data: packed.subarray(end) };
}

function refused(reason: string): HoldfastError {
  return new HoldfastError(
    'invalid_request',
    `A payload of a history cannot be decoded: ${reason}. Use the namespace and the master key of the system that wrote it.`,
  );
}
