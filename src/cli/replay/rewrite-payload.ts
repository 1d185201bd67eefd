/** One payload as the JSON of a history has it: decoded, rewritten by a rule, encoded again. */
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import type { Hide } from './placeholders.ts';
import { hidden, type Rule } from './rules.ts';

const ENCODING_JSON = 'json/plain';
const ENCODING_NULL = 'binary/null';
/** Of the metadata, what the SDK reads: the encoding, and the type of a search attribute. */
const KEPT_METADATA: Readonly<Record<string, RegExp>> = {
  encoding: /^(json|binary)\/[a-z]{1,20}$/,
  type: /^(Text|Keyword|Int|Double|Bool|Datetime|KeywordList)$/,
};

/**
 * `payload` is `{ metadata: { name: base64 }, data: base64 }`. What is not plain JSON, such as an encrypted payload, is
 * replaced as a whole.
 */
export function rewritePayload(payload: Json, rule: Rule, hide: Hide): Json {
  if (!isJsonObject(payload)) return hidden(payload, hide);
  const metadata = isJsonObject(payload['metadata']) ? payload['metadata'] : {};
  const data = typeof payload['data'] === 'string' ? payload['data'] : null;
  const encoding = decode(metadata['encoding']);
  return {
    metadata: rewriteMetadata(metadata, hide),
    ...(data !== null && encoding !== ENCODING_NULL && { data: rewriteData(data, encoding, rule, hide) }),
  };
}

function rewriteMetadata(metadata: JsonObject, hide: Hide): JsonObject {
  const kept = Object.entries(metadata).map(([name, value]): [string, string] => {
    const text = decode(value);
    const isKept = Object.hasOwn(KEPT_METADATA, name) && KEPT_METADATA[name]?.test(text);
    return isKept ? [name, encode(text)] : [hide(name), encode(hide(text))];
  });
  return Object.fromEntries(kept);
}

function rewriteData(data: string, encoding: string, rule: Rule, hide: Hide): string {
  if (encoding !== ENCODING_JSON) return encode(hide(data));
  let value: Json;
  try {
    value = JSON.parse(decode(data)) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return encode(JSON.stringify(hide(data)));
  }
  return encode(JSON.stringify(rule(value, hide)));
}

function decode(value: Json | undefined): string {
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : '';
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}
