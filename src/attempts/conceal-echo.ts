/**
 * Providers repeat what they were sent in their errors: the key, the prompt, whole bodies. The message of a failure enters
 * history, ledger and logs, so whatever it shares with the request is masked before that, whatever it looks like.
 */
import { isJsonObject, type Json } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';

/** Shorter runs are common words, and hiding those would leave no message. */
const SHARED_CONTENT_LENGTH = 12;
/** Messages are cut to a length, and a key may be cut with them. */
const SHARED_SECRET_LENGTH = 6;
/** Text in these fields is a name that a message needs to be of use, and no content. */
const NAMING_FIELDS = new Set(['model', 'name', 'type', 'role']);
/** Keys long enough to be masked that are words of the wires and of JSON Schema, which a message needs as well. */
const WIRE_KEYS = new Set(
  `additionalProperties budget_tokens cache_control citations_delta context_management dependentRequired
  dependentSchemas disable_parallel_tool_use encoding_format exclusiveMaximum exclusiveMinimum frequency_penalty
  function_call include_obfuscation include_usage input_schema max_completion_tokens maxProperties minProperties
  output_config output_format parallel_tool_calls patternProperties presence_penalty prompt_cache_key
  prompt_cache_retention propertyNames reasoning_content reasoning_effort reasoning_signature response_format
  safetySettings safety_identifier safety_settings service_tier stop_sequences stream_options tool_call_id top_logprobs
  unevaluatedItems unevaluatedProperties web_search_options`.split(/\s+/),
);
/** Printable ASCII without quotes and backslashes, such as base64: it is the same in JSON. */
const NEEDS_NO_ESCAPES = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const HASH_BASE = 0x01000193;
/** A power of two, far above the windows of a message, which is cut to some hundred characters. */
const HASH_BUCKETS = 2 ** 16;

/** @example concealEcho('Bad input: tell me a secret story', undefined, request) // 'Bad input: [content]' */
export function concealEcho(message: string, secret: string | undefined, request: CallRequest): string {
  const masked = secret
    ? maskShared(message, [secret], Math.min(SHARED_SECRET_LENGTH, secret.length), '[redacted]')
    : message;
  return maskShared(masked, textsOf(request.body), SHARED_CONTENT_LENGTH, '[content]');
}

/** Each text as it is and, where that differs, as JSON with and without escapes beyond ASCII. */
function* textsOf(value: Json | undefined): Generator<string> {
  if (typeof value === 'string') {
    yield value;
    if (NEEDS_NO_ESCAPES.test(value)) return;
    const json = JSON.stringify(value);
    if (json.length > value.length + 2) yield json;
    const ascii = json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    if (ascii.length > json.length) yield ascii;
  } else if (Array.isArray(value)) {
    for (const item of value) yield* textsOf(item);
  } else if (isJsonObject(value)) {
    for (const [key, field] of Object.entries(value)) {
      if (!WIRE_KEYS.has(key)) yield* textsOf(key);
      if (!(NAMING_FIELDS.has(key) && typeof field === 'string')) yield* textsOf(field);
    }
  }
}

/** Masks every run of at least `length` characters of `message` that stands in a source. Linear in the sources. */
function maskShared(message: string, sources: Iterable<string>, length: number, mask: string): string {
  if (length === 0 || message.length < length) return message;
  const sought = new Map<number, Map<string, number[]>>();
  /** Tells nearly all windows of a source apart from those of the message without a look into the map. */
  const mayBeSought = new Uint8Array(HASH_BUCKETS);
  eachWindow(message, length, (position, hash) => {
    const run = message.slice(position, position + length);
    const runs = sought.get(hash) ?? new Map<string, number[]>();
    sought.set(hash, runs.set(run, [...(runs.get(run) ?? []), position]));
    mayBeSought[hash & (HASH_BUCKETS - 1)] = 1;
  });
  const shared = new Uint8Array(message.length);
  for (const source of sources) {
    eachWindow(source, length, (at, hash) => {
      const runs = mayBeSought[hash & (HASH_BUCKETS - 1)] === 1 ? sought.get(hash) : undefined;
      if (!runs) return;
      const run = source.slice(at, at + length);
      for (const position of runs.get(run) ?? []) shared.fill(1, position, position + length);
      // Found once is enough; a prompt that repeats itself would be marked over and over.
      runs.delete(run);
      if (runs.size === 0) sought.delete(hash);
    });
  }
  let text = '';
  for (let index = 0; index < message.length; index++) {
    if (shared[index] === 0) text += message.charAt(index);
    else if (index === 0 || shared[index - 1] === 0) text += mask;
  }
  return text;
}

/**
 * Visits each window of `length` characters with where it begins and its hash. It allocates nothing: a request with images has
 * millions of windows, and the event loop waits for all of them.
 */
function eachWindow(text: string, length: number, visit: (position: number, hash: number) => void): void {
  let leaving = 1;
  for (let step = 1; step < length; step++) leaving = Math.imul(leaving, HASH_BASE);
  let hash = 0;
  for (let index = 0; index < text.length; index++) {
    if (index >= length) hash = (hash - Math.imul(text.charCodeAt(index - length), leaving)) | 0;
    hash = (Math.imul(hash, HASH_BASE) + text.charCodeAt(index)) | 0;
    if (index >= length - 1) visit(index - length + 1, hash);
  }
}
