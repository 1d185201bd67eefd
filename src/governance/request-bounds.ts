/** Upper bounds of what a request can consume, for holds that are never too small. */
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';

/** No provider bills more for an image at its finest detail. */
const TOKENS_PER_MEDIA_PART = 6_000;
/** Framing of messages, tools and templates that providers add around the text. */
const FRAMING_TOKENS = 256;
const FRAMING_TOKENS_PER_ITEM = 16;
/** Quotes, colon and comma around a field or an element, where a provider shows the model JSON. */
const PUNCTUATION_TOKENS = 6;

/**
 * The most input tokens that the request can count. Byte-level tokenizers never make more tokens than bytes, so bytes
 * are a bound for every provider, at the price of holds about four times the true cost for English text.
 */
export function maxInputTokens(canonical: JsonObject): number {
  let tokens = FRAMING_TOKENS;
  const visit = (value: Json | undefined): void => {
    if (typeof value === 'string') {
      tokens += Buffer.byteLength(value);
    } else if (Array.isArray(value)) {
      tokens += value.length * PUNCTUATION_TOKENS;
      for (const item of value) visit(item);
    } else if (isJsonObject(value)) {
      tokens += FRAMING_TOKENS_PER_ITEM;
      if (isMediaPart(value)) tokens += TOKENS_PER_MEDIA_PART;
      else
        for (const [key, field] of Object.entries(value)) {
          tokens += Buffer.byteLength(key) + PUNCTUATION_TOKENS;
          visit(field);
        }
    } else {
      tokens += String(value).length;
    }
  };
  for (const field of ['messages', 'tools', 'response_format', 'functions', 'input']) visit(canonical[field]);
  return tokens;
}

/** The most output tokens over all choices: what the request says, else the fallback; null when nothing bounds it. */
export function maxOutputTokens(canonical: JsonObject, fallback: number | null): number | null {
  const asked = canonical['max_completion_tokens'] ?? canonical['max_tokens'];
  const perChoice = typeof asked === 'number' ? asked : fallback;
  const choices = typeof canonical['n'] === 'number' ? canonical['n'] : 1;
  return perChoice === null ? null : perChoice * choices;
}

function isMediaPart(value: JsonObject): boolean {
  return value['type'] === 'image_url' || value['type'] === 'input_audio' || value['type'] === 'file';
}
