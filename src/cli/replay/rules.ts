/**
 * What happens to one value of a payload: each rule says what stays, and everything that it does not say is replaced.
 * So a field that nobody thought of is hidden, not published.
 */
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import type { Hide } from './placeholders.ts';

export type Rule = (value: Json, hide: Hide) => Json;

/** Replaces every string, every number and every field name. Null, booleans and the nesting stay. */
export const hidden: Rule = (value, hide) => {
  if (typeof value === 'string') return hide(value);
  if (typeof value === 'number') return 0;
  if (Array.isArray(value)) return value.map((item) => hidden(item, hide));
  if (isJsonObject(value)) return mapObject(value, (name, field) => [hide(name), hidden(field, hide)]);
  return value;
};

/** Numbers, booleans and null stay. */
export const figure: Rule = (value, hide) => (typeof value === 'number' ? value : hidden(value, hide));

/** Strings of a known form stay, such as an amount or a model's name. Not for anything that a caller may write. */
export function matching(form: RegExp): Rule {
  return (value, hide) => (typeof value === 'string' && form.test(value) ? value : hidden(value, hide));
}

/** Words of a fixed vocabulary stay. */
export function oneOf(words: readonly string[]): Rule {
  return (value, hide) => (typeof value === 'string' && words.includes(value) ? value : hidden(value, hide));
}

export function listOf(rule: Rule): Rule {
  return (value, hide) => (Array.isArray(value) ? value.map((item) => rule(item, hide)) : hidden(value, hide));
}

/** The field names of every member of a union. */
type FieldOf<T> = T extends unknown ? keyof T : never;

/** An object, field by field. The compiler wants a rule for each field of `T`: a new field is a decision to be made. */
export function fields<T>(rules: Readonly<Record<FieldOf<T>, Rule>>): Rule {
  const byName = new Map(Object.entries<Rule>(rules));
  return (value, hide) => {
    if (!isJsonObject(value)) return hidden(value, hide);
    return mapObject(value, (name, field) => {
      const rule = byName.get(name);
      return rule ? [name, rule(field, hide)] : [hide(name), hidden(field, hide)];
    });
  };
}

function mapObject(value: JsonObject, map: (name: string, field: Json) => [string, Json]): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([name, field]) => map(name, field ?? null)));
}
