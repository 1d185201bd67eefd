/**
 * Checks of a caller's request, by hand: the doors are on the hot path, unknown fields must pass, and each refusal names
 * the field and the fix. `null` counts as absent, as OpenAI's and Anthropic's own clients send it.
 */
import { HoldfastError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { isJsonObject } from '../core/json.ts';

const MAX_MODEL_LENGTH = 256;
/** JSON.parse takes any depth, JSON.stringify overflows the stack: such a body could be accepted and never sent. */
const MAX_DEPTH = 256;
/** More than any model gives, and small enough that its price fits every ledger. */
const MAX_OUTPUT_TOKENS = 10_000_000;

export function invalid(param: string, message: string): HoldfastError {
  return new HoldfastError('invalid_request', `\`${param}\` ${message}`, { param });
}

export function checkBody(body: unknown): JsonObject {
  if (!isJsonObject(body)) {
    throw new HoldfastError('invalid_request', 'The request body must be a JSON object.', { param: 'body' });
  }
  if (isDeeperThan(body, MAX_DEPTH)) {
    const message = `The request body is nested deeper than ${String(MAX_DEPTH)} levels.`;
    throw new HoldfastError('invalid_request', message, { param: 'body' });
  }
  return body;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const part of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof part === 'object' && part !== null && isDeeperThan(part, levels - 1)) return true;
  }
  return false;
}

export function checkModel(body: JsonObject): string {
  const model = body.model;
  if (typeof model !== 'string' || model === '') throw invalid('model', 'must be a non-empty string.');
  if (model.length > MAX_MODEL_LENGTH)
    throw invalid('model', `must have at most ${String(MAX_MODEL_LENGTH)} characters.`);
  if (model.includes('\0') || !model.isWellFormed()) throw invalid('model', 'must be well-formed text without NUL.');
  return model;
}

/** A field by which a caller would choose models beside `model`: past the routes, and past what its key may name. */
export function refuseOwnTargets(body: JsonObject, field: string): void {
  if (isAbsent(body[field])) return;
  throw invalid(
    field,
    'is not taken: where a model goes, and in which order, is for the configuration to say (models.*.targets).',
  );
}

export function isAbsent(value: Json | undefined): value is null | undefined {
  return value === undefined || value === null;
}

export function checkNumber(body: JsonObject, field: string, min: number, max: number): void {
  const value = body[field];
  if (isAbsent(value)) return;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    throw invalid(field, `must be a number from ${String(min)} to ${String(max)}.`);
  }
}

export function checkInteger(body: JsonObject, field: string, min: number, max = Number.MAX_SAFE_INTEGER): void {
  const value = body[field];
  if (isAbsent(value)) return;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    const range =
      max === Number.MAX_SAFE_INTEGER ? `of at least ${String(min)}` : `from ${String(min)} to ${String(max)}`;
    throw invalid(field, `must be an integer ${range}.`);
  }
}

/** A limit on output tokens, such as `max_tokens`. */
export function checkOutputLimit(body: JsonObject, field: string): void {
  checkInteger(body, field, 1, MAX_OUTPUT_TOKENS);
}

export function checkBoolean(body: JsonObject, field: string): void {
  const value = body[field];
  if (!isAbsent(value) && typeof value !== 'boolean') throw invalid(field, 'must be true or false.');
}

export function checkOneOf(body: JsonObject, field: string, allowed: readonly string[], path = field): void {
  const value = body[field];
  if (!isAbsent(value) && !(typeof value === 'string' && allowed.includes(value))) {
    throw invalid(path, `must be one of: ${allowed.join(', ')}.`);
  }
}

export function requireString(source: JsonObject, field: string, path: string): string {
  const value = source[field];
  if (typeof value !== 'string') throw invalid(path, 'must be a string.');
  return value;
}

export function requireName(source: JsonObject, field: string, path: string): string {
  const value = requireString(source, field, path);
  if (value === '') throw invalid(path, 'must not be empty.');
  return value;
}

export function requireObject(value: Json | undefined, path: string): JsonObject {
  if (!isJsonObject(value)) throw invalid(path, 'must be an object.');
  return value;
}

export function optionalObject(body: JsonObject, field: string): JsonObject | undefined {
  const value = body[field];
  return isAbsent(value) ? undefined : requireObject(value, field);
}

export function requireFilledArray(value: Json | undefined, path: string): Json[] {
  if (!Array.isArray(value)) throw invalid(path, 'must be an array.');
  if (value.length === 0) throw invalid(path, 'must not be empty.');
  return value;
}

/** Strings alone or in an array, as `stop` and `stop_sequences` take them. */
export function checkStrings(body: JsonObject, field: string): void {
  const value = body[field];
  if (isAbsent(value) || typeof value === 'string') return;
  if (!Array.isArray(value) || !value.every((element) => typeof element === 'string')) {
    throw invalid(field, 'must be a string or an array of strings.');
  }
}
