/** Upper bounds of what a request can consume, for holds that are never too small. */
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';

/**
 * The most that a provider bills for one image. Source: OpenAI's guide to images; a small model of theirs counts
 * 2,833 + 5,667 for each of up to eight tiles, 48,169 in all, and 2,833 at low detail.
 */
const TOKENS_PER_IMAGE = 50_000;
const TOKENS_PER_LOW_DETAIL_IMAGE = 6_000;
/** Framing of messages, tools and templates that providers add around the text. */
const FRAMING_TOKENS = 256;
const FRAMING_TOKENS_PER_ITEM = 16;
/** Quotes, colon and comma around a field or an element, where a provider shows the model JSON. */
const PUNCTUATION_TOKENS = 6;
/** Of English text, about. */
const BYTES_PER_TOKEN = 4;
const INPUT_FIELDS = ['messages', 'tools', 'response_format', 'functions', 'input'];

/**
 * The most input tokens that the request can count, or null when nothing bounds them: a file or recording that the
 * provider fetches by URL or id. Byte-level tokenizers never make more tokens than bytes, so bytes are a bound for every
 * provider, at the price of holds about four times the true cost for English text. Inline files count by
 * their base64, and once as the image that providers make of a page.
 */
export function inputTokenBound(canonical: JsonObject): number | null {
  const { tokens, isBounded } = measure(canonical);
  return isBounded ? tokens : null;
}

/** What can be counted of the input in bytes and flat figures; what only the provider can see counts nothing. */
export function maxInputTokens(canonical: JsonObject): number {
  return measure(canonical).tokens;
}

/** A rough count for limits on tokens per minute. */
export function estimateRequestTokens(canonical: JsonObject): number {
  return Math.ceil(maxInputTokens(canonical) / BYTES_PER_TOKEN);
}

/** The most output tokens over all choices: what the request says, else the fallback; null when nothing bounds it. */
export function maxOutputTokens(canonical: JsonObject, fallback: number | null): number | null {
  // Providers differ in which of the two they heed.
  const asked = [canonical['max_completion_tokens'], canonical['max_tokens']].filter(
    (limit) => typeof limit === 'number',
  );
  const perChoice = asked.length > 0 ? Math.max(...asked) : fallback;
  const choices = typeof canonical['n'] === 'number' ? canonical['n'] : 1;
  return perChoice === null ? null : perChoice * choices;
}

function measure(canonical: JsonObject): { tokens: number; isBounded: boolean } {
  let tokens = FRAMING_TOKENS;
  let isBounded = true;
  const visit = (value: Json | undefined, inMessages: boolean): void => {
    if (typeof value === 'string') {
      tokens += Buffer.byteLength(value);
    } else if (Array.isArray(value)) {
      tokens += value.length * PUNCTUATION_TOKENS;
      for (const item of value) visit(item, inMessages);
    } else if (isJsonObject(value)) {
      tokens += FRAMING_TOKENS_PER_ITEM;
      const image = inMessages ? imageOf(value) : null;
      if (image) tokens += image.detail === 'low' ? TOKENS_PER_LOW_DETAIL_IMAGE : TOKENS_PER_IMAGE;
      if (inMessages && isFile(value)) tokens += TOKENS_PER_IMAGE;
      if (inMessages && isFetched(value)) isBounded = false;
      for (const [key, field] of Object.entries(value)) {
        tokens += Buffer.byteLength(key) + PUNCTUATION_TOKENS;
        if (field !== image) visit(field, inMessages);
      }
    } else {
      tokens += String(value).length;
    }
  };
  for (const field of INPUT_FIELDS) visit(canonical[field], field === 'messages');
  return { tokens, isBounded };
}

/** The image of an image part. It is billed by its size in pixels, whatever the length of its base64. */
function imageOf(part: JsonObject): JsonObject | null {
  const image = part['image_url'];
  return part['type'] === 'image_url' && isJsonObject(image) ? image : null;
}

function isFile({ type }: JsonObject): boolean {
  return type === 'file' || type === 'input_file';
}

/** A part, or an assistant's message with earlier audio, of which the provider has or gets the data elsewhere. */
function isFetched(value: JsonObject): boolean {
  const { type, audio } = value;
  if (isJsonObject(audio) && typeof audio['id'] === 'string') return true;
  if (isFile(value)) {
    const file = isJsonObject(value['file']) ? value['file'] : value;
    const data = file['file_data'];
    return typeof data !== 'string' || isAddress(data) || file['file_id'] != null || file['file_url'] != null;
  }
  // Such as `video_url`, `audio_url` and `document_url` of compatible servers.
  if (typeof type !== 'string' || type === 'image_url' || !type.endsWith('_url')) return false;
  const source = value[type];
  const url = isJsonObject(source) ? source['url'] : source;
  return typeof url !== 'string' || isAddress(url);
}

function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]{1,20}:/i.test(text) && !/^data:/i.test(text);
}
