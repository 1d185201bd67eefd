/** A response of OpenAI's Responses API as the events of its stream. Each has its number, under which it is the same for ever. */
import type { JsonObject } from '../core/json.ts';
import { pieces, type Composition } from './compose.ts';
import { openAiResponse, responseItems } from './openai-wire.ts';

export interface NumberedEvent extends JsonObject {
  type: string;
  sequence_number: number;
}

type Unnumbered = JsonObject & { type: string };

export function openAiResponseStream(
  id: string,
  model: string,
  said: Composition,
  end: 'completed' | 'failed',
): NumberedEvent[] {
  const response = (status: 'queued' | 'in_progress' | typeof end) => openAiResponse(id, model, said, status);
  const events: Unnumbered[] = [
    { type: 'response.created', response: response('queued') },
    { type: 'response.in_progress', response: response('in_progress') },
    ...responseItems(said).flatMap((item, index) => streamItem(said, item, index)),
    { type: `response.${end}`, response: response(end) },
  ];
  return events.map((event, index) => ({ ...event, sequence_number: index }));
}

function streamItem(said: Composition, item: JsonObject, index: number): Unnumbered[] {
  const at = { output_index: index };
  const inItem = { ...at, item_id: item['id'] ?? '' };
  const whole: Unnumbered = { type: 'response.output_item.done', ...at, item };
  const added = (begun: JsonObject): Unnumbered => ({
    type: 'response.output_item.added',
    ...at,
    item: { ...item, ...begun },
  });
  if (item['type'] === 'reasoning') {
    const inPart = { ...inItem, summary_index: 0 };
    const part = (text: string) => ({ type: 'summary_text', text });
    return [
      added({ summary: [] }),
      { type: 'response.reasoning_summary_part.added', ...inPart, part: part('') },
      ...pieces(said.reasoning).map((delta) => ({ type: 'response.reasoning_summary_text.delta', ...inPart, delta })),
      { type: 'response.reasoning_summary_text.done', ...inPart, text: said.reasoning },
      { type: 'response.reasoning_summary_part.done', ...inPart, part: part(said.reasoning) },
      whole,
    ];
  }
  if (item['type'] === 'message') {
    const inPart = { ...inItem, content_index: 0 };
    const part = (text: string) => ({ type: 'output_text', text, annotations: [] });
    return [
      added({ status: 'in_progress', content: [] }),
      { type: 'response.content_part.added', ...inPart, part: part('') },
      ...pieces(said.text).map((delta) => ({ type: 'response.output_text.delta', ...inPart, delta, logprobs: [] })),
      { type: 'response.output_text.done', ...inPart, text: said.text, logprobs: [] },
      { type: 'response.content_part.done', ...inPart, part: part(said.text) },
      whole,
    ];
  }
  const text = typeof item['arguments'] === 'string' ? item['arguments'] : '';
  return [
    added({ status: 'in_progress', arguments: '' }),
    ...(text.match(/.{1,8}/gs) ?? []).map((delta) => ({
      type: 'response.function_call_arguments.delta',
      ...inItem,
      delta,
    })),
    { type: 'response.function_call_arguments.done', ...inItem, arguments: text },
    whole,
  ];
}
