/** A recorded history without its content: decisions, figures and the order of things stay, so that it still replays. */
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { searchAttributeRule } from './attribute-rules.ts';
import { errorRecord } from './decision-fields.ts';
import { eventFieldRule } from './event-fields.ts';
import { createPayloadLookup, type EventPayloads } from './event-payloads.ts';
import type { Hide } from './placeholders.ts';
import { rewritePayload } from './rewrite-payload.ts';
import { hidden, type Rule } from './rules.ts';

/** `history` is as `historyToJSON` writes it. */
export function rewriteHistory(history: { events: readonly JsonObject[] }, hide: Hide): { events: JsonObject[] } {
  const payloadsOf = createPayloadLookup();
  return { events: history.events.map((event) => rewriteMessage('event', event, payloadsOf(event), hide)) };
}

function rewriteMessage(name: string, message: JsonObject, payloads: EventPayloads, hide: Hide): JsonObject {
  return mapFields(message, (field, value) => [field, rewriteField(name, field, value, payloads, hide)]);
}

function rewriteField(message: string, field: string, value: Json, payloads: EventPayloads, hide: Hide): Json {
  if (typeof value === 'string') return eventFieldRule(message, field)?.(value, hide) ?? hide(value);
  if (Array.isArray(value)) return value.map((item) => rewriteField(message, field, item, payloads, hide));
  if (!isJsonObject(value)) return value;
  switch (field) {
    case 'input':
      return rewritePayloads(value, payloads.input, hide);
    case 'result':
      return rewritePayloads(value, payloads.result, hide);
    case 'searchAttributes':
      return rewriteMap(value, 'indexedFields', searchAttributeRule, hide);
    case 'header':
    case 'memo':
      return rewriteMap(value, 'fields', () => null, hide);
    case 'details':
      if (message === 'applicationFailureInfo') return rewritePayloads(value, [errorRecord], hide);
      if (message === 'markerRecordedEventAttributes') return rewriteMarker(value, payloads, hide);
  }
  if (isPayload(value)) return rewritePayload(value, hidden, hide);
  if ('payloads' in value) return rewritePayloads(value, [], hide);
  return rewriteMessage(field, value, payloads, hide);
}

function rewritePayloads(value: JsonObject, rules: readonly Rule[] = [], hide: Hide): Json {
  const { payloads } = value;
  if (!Array.isArray(payloads)) return hidden(value, hide);
  return { payloads: payloads.map((payload, index) => rewritePayload(payload, rules[index] ?? hidden, hide)) };
}

function rewriteMarker(details: JsonObject, payloads: EventPayloads, hide: Hide): JsonObject {
  return mapFields(details, (name, value) => {
    const rules = payloads.details?.[name];
    return [rules ? name : hide(name), isJsonObject(value) ? rewritePayloads(value, rules, hide) : hidden(value, hide)];
  });
}

/** A message with one map of payloads, whose names others may have chosen. */
function rewriteMap(value: JsonObject, field: string, ruleOf: (name: string) => Rule | null, hide: Hide): JsonObject {
  const map = value[field];
  if (!isJsonObject(map)) return {};
  const rewritten = mapFields(map, (name, payload) => {
    const rule = ruleOf(name);
    return [rule ? name : hide(name), rewritePayload(payload, rule ?? hidden, hide)];
  });
  return { [field]: rewritten };
}

function isPayload(value: JsonObject): boolean {
  return isJsonObject(value['metadata']) || typeof value['data'] === 'string';
}

function mapFields(value: JsonObject, map: (field: string, value: Json) => [string, Json]): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([field, child]) => map(field, child ?? null)));
}
