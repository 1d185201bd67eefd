/**
 * The events of a streamed response to canonical events. Each event of a response has its `sequence_number`, under which the
 * provider gives it again: one that comes a second time says nothing, so a stream that is asked for anew goes on where it
 * broke off. https://platform.openai.com/docs/guides/background
 */
import type { ChatAnswer, ChatEvent } from '../../../core/chat.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { KeptAnswer, KeptStreamDecoder } from '../../../core/ports/provider.ts';
import { brokenAnswer } from '../../broken-answer.ts';
import { numberAt, objectAt, parseJsonObject, stringAt } from '../../read-json.ts';
import { holdsError, openAiErrorEvent } from '../map-failure.ts';
import { readResponse } from './decode-response.ts';

interface StreamedCall {
  index: number;
  id: string;
  name: string;
  arguments: string;
}

/** What is read. Others say the same once more, or nothing that the canonical chat has. */
const BEGINNINGS: ReadonlySet<string> = new Set(['response.created', 'response.queued', 'response.in_progress']);
const ENDS: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete', 'response.failed']);
const PARTS: ReadonlySet<string> = new Set([
  'response.output_text.delta',
  'response.refusal.delta',
  'response.reasoning_summary_text.delta',
  'response.output_item.added',
  'response.function_call_arguments.delta',
]);

export function createResponseStreamDecoder(): KeptStreamDecoder {
  /** By `output_index`. */
  const calls = new Map<number, StreamedCall>();
  let text = '';
  let refusal = '';
  let responseId: string | null = null;
  let cursor: number | null = null;
  let said: KeptAnswer | null = null;

  function begin(event: JsonObject): ChatEvent[] {
    const response = objectAt(event, 'response');
    const id = stringAt(response, 'id');
    if (!id) throw brokenAnswer('The stream holds a response that has no id.');
    if (responseId !== null && id !== responseId) throw brokenAnswer('The stream holds two responses.');
    if (responseId !== null) return [];
    responseId = id;
    const created = Math.trunc(numberAt(response, 'created_at') ?? 0);
    return [{ type: 'start', id, model: stringAt(response, 'model') ?? '', created }];
  }

  function end(event: JsonObject): ChatEvent[] {
    const events = begin(event);
    const answer = readResponse(objectAt(event, 'response') ?? {});
    if (answer.state === 'pending') throw brokenAnswer('The stream ends with a response that has not ended.');
    said = answer;
    const chat = answer.state === 'answered' ? answer.answer.chat : null;
    if (chat === null) return events;
    events.push({ type: 'finish', choice: 0, reason: chat.finishReason, rawReason: chat.rawFinishReason });
    if (chat.usage !== null) events.push({ type: 'usage', usage: chat.usage, serviceTier: chat.serviceTier });
    return events;
  }

  function readPart(type: string, event: JsonObject): ChatEvent[] {
    const delta = stringAt(event, 'delta') ?? '';
    switch (type) {
      case 'response.output_text.delta':
        text += delta;
        return delta === '' ? [] : [{ type: 'text-delta', choice: 0, text: delta }];
      case 'response.refusal.delta':
        refusal += delta;
        return delta === '' ? [] : [{ type: 'refusal-delta', choice: 0, text: delta }];
      case 'response.reasoning_summary_text.delta':
        return delta === '' ? [] : [{ type: 'reasoning-delta', choice: 0, text: delta }];
      case 'response.output_item.added':
        return addItem(event);
      default:
        return addArguments(numberAt(event, 'output_index') ?? -1, delta);
    }
  }

  function addItem(event: JsonObject): ChatEvent[] {
    const item = objectAt(event, 'item');
    if (item?.type !== 'function_call') return [];
    const at = numberAt(event, 'output_index') ?? -1;
    if (calls.has(at)) throw brokenAnswer('The stream begins a tool call twice.');
    const id = stringAt(item, 'call_id') ?? stringAt(item, 'id') ?? '';
    const call = { index: calls.size, id, name: stringAt(item, 'name') ?? '', arguments: '' };
    calls.set(at, call);
    const { index, name } = call;
    return [
      { type: 'tool-call-start', choice: 0, index, id, name },
      ...addArguments(at, stringAt(item, 'arguments') ?? ''),
    ];
  }

  function addArguments(at: number, argumentsDelta: string): ChatEvent[] {
    const call = calls.get(at);
    if (call === undefined) throw brokenAnswer('The stream holds arguments of a tool call that it did not begin.');
    call.arguments += argumentsDelta;
    return argumentsDelta === '' ? [] : [{ type: 'tool-call-delta', choice: 0, index: call.index, argumentsDelta }];
  }

  /** Of what a caller acts on. Summaries of the reasoning may be cut otherwise in the answer. */
  function makesUp(chat: ChatAnswer): boolean {
    const streamed = [...calls.values()];
    return (
      text === (chat.text ?? '') &&
      refusal === (chat.refusal ?? '') &&
      streamed.length === chat.toolCalls.length &&
      chat.toolCalls.every(({ id, name, arguments: whole }, index) => {
        const call = streamed[index];
        return call?.id === id && call.name === name && call.arguments === whole;
      })
    );
  }

  return {
    push({ data }) {
      if (data === '' || data.startsWith('[DONE]') || said !== null) return [];
      const event = parseJsonObject(data);
      if (event === undefined) throw brokenAnswer('The stream holds an event that is not a JSON object.');
      const type = stringAt(event, 'type') ?? '';
      if (holdsError(event)) throw openAiErrorEvent(event.error ?? null);
      if (type === 'error') throw openAiErrorEvent(event);
      if (!BEGINNINGS.has(type) && !ENDS.has(type) && !PARTS.has(type)) return [];
      const number = numberAt(event, 'sequence_number');
      if (number === undefined) throw brokenAnswer(`The stream holds a ${type} without a sequence_number.`);
      if (cursor !== null && number <= cursor) return [];
      if (responseId === null && PARTS.has(type)) throw brokenAnswer('The stream begins without a response.');
      const events = BEGINNINGS.has(type) ? begin(event) : ENDS.has(type) ? end(event) : readPart(type, event);
      cursor = number;
      return events;
    },
    get responseId() {
      return responseId;
    },
    get cursor() {
      return cursor;
    },
    get said() {
      return said;
    },
    get isFaithful() {
      const chat = said?.state === 'answered' ? said.answer.chat : null;
      return chat !== null && makesUp(chat);
    },
  };
}
