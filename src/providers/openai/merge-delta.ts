/** Assembling a message from deltas, for the fields this code knows nothing about. */
import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';

/** Strings that are repeated, not continued, when they come again. */
const WHOLE_STRINGS = new Set(['id', 'type', 'role', 'name', 'format', 'model', 'object']);

/**
 * Strings continue, arrays grow (by `index` where their elements have one), objects merge, anything else replaces:
 * the rule OpenAI's own clients accumulate by.
 */
export function mergeDelta(target: JsonObject, key: string, value: Json | undefined): void {
  if (value === undefined) return;
  const old = Object.hasOwn(target, key) ? target[key] : undefined;
  if (value === null && old !== undefined) return;
  setOwn(target, key, merge(key, old, value));
}

function merge(key: string, old: Json | undefined, value: Json): Json {
  if (typeof old === 'string' && typeof value === 'string') return WHOLE_STRINGS.has(key) ? value || old : old + value;
  if (Array.isArray(old) && Array.isArray(value)) return mergeArrays(old, value);
  if (isJsonObject(old) && isJsonObject(value)) {
    for (const [name, part] of Object.entries(value)) mergeDelta(old, name, part);
    return old;
  }
  return value;
}

function mergeArrays(old: Json[], more: Json[]): Json[] {
  for (const element of more) {
    const index = isJsonObject(element) ? element.index : undefined;
    const known =
      typeof index === 'number' ? old.find((other) => isJsonObject(other) && other.index === index) : undefined;
    if (isJsonObject(known) && isJsonObject(element)) merge('', known, element);
    else old.push(element);
  }
  return old;
}

/** `__proto__` from foreign JSON becomes a field like any other. */
export function setOwn(target: JsonObject, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}
