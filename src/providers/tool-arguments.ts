/** Arguments of a tool call: text in OpenAI's wire, an object in Anthropic's and Gemini's. */
import type { JsonObject } from '../core/json.ts';
import { parseJsonObject } from './read-json.ts';

/** The arguments as an object; null when the model wrote something that is none. */
export function readArguments(text: string): JsonObject | null {
  return text.trim() === '' ? {} : (parseJsonObject(text) ?? null);
}

/** For history that must be sent on: broken arguments stand under one name rather than vanish. */
export function argumentsObject(text: string): JsonObject {
  return readArguments(text) ?? { invalid_json: text };
}
