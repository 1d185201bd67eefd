/**
 * Token counts before or without a provider's own: for holds, routing, limits and cut streams. Counted in OpenAI's o200k
 * encoding, which is an estimate for every other vendor's models.
 */
import { createRequire } from 'node:module';
import type * as O200k from 'gpt-tokenizer/encoding/o200k_base';
import type { Json, JsonObject } from '../core/json.ts';
import { isJsonObject } from '../core/json.ts';
import { objectAt, stringAt } from './read-json.ts';

/** BPE is quadratic on unbroken runs: 100,000 CJK characters at once take most of a minute, in slices 40 ms. */
const SLICE_LENGTH = 512;
/** Longer texts are sampled: half a second of one process's time is too much for an estimate. */
const MAX_COUNTED_LENGTH = 512 * 1024;

/** What wraps each message and each request on OpenAI's side. */
const TOKENS_PER_MESSAGE = 4;
const TOKENS_PER_REQUEST = 3;
/** The most that OpenAI, Anthropic or Gemini count for an image of common size. */
const TOKENS_PER_IMAGE = 1_600;
/** By length of the base64 text: 32 tokens a second of mp3, a few thousand a page of PDF. */
const BASE64_CHARS_PER_AUDIO_TOKEN = 625;
const BASE64_CHARS_PER_FILE_TOKEN = 40;

let encoding: typeof O200k | undefined;

/** Loads the encoding now (some 250 ms of this thread, and 90 MB) rather than with the first count. */
export function loadTokenizer(): typeof O200k {
  encoding ??= createRequire(import.meta.url)('gpt-tokenizer/encoding/o200k_base') as typeof O200k;
  return encoding;
}

/** @example countTextTokens('hello world') // 2 */
export function countTextTokens(text: string): number {
  if (text === '') return 0;
  const { countTokens } = loadTokenizer();
  const stride =
    text.length <= MAX_COUNTED_LENGTH ? SLICE_LENGTH : Math.ceil(text.length / MAX_COUNTED_LENGTH) * SLICE_LENGTH;
  let tokens = 0;
  let counted = 0;
  for (let from = 0; from < text.length; from += stride) {
    const slice = text.slice(from, from + SLICE_LENGTH);
    counted += slice.length;
    tokens += countTokens(slice, NO_SPECIAL_TOKENS);
  }
  return counted === text.length ? tokens : Math.ceil((tokens / counted) * text.length);
}

/** A prompt may hold `<|endoftext|>` as plain text; by default the library would throw. */
const NO_SPECIAL_TOKENS = { disallowedSpecial: new Set<string>() };

/** The prompt tokens of a canonical request, chat or embeddings. */
export function estimateInputTokens(request: JsonObject): number {
  if (request.messages === undefined) return countInput(request.input);
  const messages = Array.isArray(request.messages) ? request.messages : [];
  const told = messages.map((message) => (isJsonObject(message) ? countMessage(message) : 0));
  const schema = objectAt(objectAt(request, 'response_format'), 'json_schema');
  return TOKENS_PER_REQUEST + sum(told) + countJson(request.tools) + countJson(schema);
}

function countMessage(message: JsonObject): number {
  const name = stringAt(message, 'name') ?? '';
  const reasoning = stringAt(message, 'reasoning_content') ?? '';
  return (
    TOKENS_PER_MESSAGE +
    countTextTokens(name) +
    countTextTokens(reasoning) +
    countContent(message.content) +
    countJson(message.tool_calls)
  );
}

function countContent(content: Json | undefined): number {
  if (typeof content === 'string') return countTextTokens(content);
  return Array.isArray(content) ? sum(content.map((part) => (isJsonObject(part) ? countPart(part) : 0))) : 0;
}

function countPart(part: JsonObject): number {
  switch (part.type) {
    case 'image_url':
      return TOKENS_PER_IMAGE;
    case 'input_audio':
      return Math.ceil(lengthAt(part, 'input_audio', 'data') / BASE64_CHARS_PER_AUDIO_TOKEN);
    case 'file':
      return Math.ceil(lengthAt(part, 'file', 'file_data') / BASE64_CHARS_PER_FILE_TOKEN);
    default:
      return countTextTokens(stringAt(part, 'text') ?? '');
  }
}

function lengthAt(part: JsonObject, field: string, key: string): number {
  return stringAt(objectAt(part, field), key)?.length ?? 0;
}

function countInput(input: Json | undefined): number {
  if (typeof input === 'string') return countTextTokens(input);
  if (!Array.isArray(input)) return 0;
  return sum(
    input.map((element) =>
      typeof element === 'number' ? 1 : Array.isArray(element) ? element.length : countInput(element),
    ),
  );
}

function countJson(value: Json | undefined): number {
  return value === undefined || value === null ? 0 : countTextTokens(JSON.stringify(value));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
