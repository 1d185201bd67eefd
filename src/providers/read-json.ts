/** Careful reading of foreign JSON: a value of another type than expected is as good as absent. */
import type { Json, JsonObject } from '../core/json.ts';
import { isJsonObject } from '../core/json.ts';

const MAX_NAME_LENGTH = 64;

export function objectAt(source: JsonObject | undefined, key: string): JsonObject | undefined {
  const value = source?.[key];
  return isJsonObject(value) ? value : undefined;
}

export function stringAt(source: JsonObject | undefined, key: string): string | undefined {
  const value = source?.[key];
  return typeof value === 'string' ? value : undefined;
}

export function numberAt(source: JsonObject | undefined, key: string): number | undefined {
  const value = source?.[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The elements of an array that are objects; empty when there is no array. */
export function objectsAt(source: JsonObject | undefined, key: string): JsonObject[] {
  const value = source?.[key];
  return Array.isArray(value) ? value.filter((element) => isJsonObject(element)) : [];
}

/** The value of a JSON text, or undefined when it is not JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function parseJsonObject(text: string): JsonObject | undefined {
  const value = parseJson(text);
  return isJsonObject(value) ? value : undefined;
}

/** A foreign value for an error message: short, and never an object's default text. */
export function nameOf(value: Json | undefined): string {
  const name = typeof value === 'string' || value === undefined ? (value ?? 'undefined') : JSON.stringify(value);
  return name.slice(0, MAX_NAME_LENGTH);
}
