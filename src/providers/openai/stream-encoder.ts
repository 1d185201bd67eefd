/**
 * Canonical events as `chat.completion.chunk` events. Clients check that id, model and time never change, that the role
 * comes once a choice, that usage stands in a chunk of its own and only when asked for, and that `[DONE]` means success.
 */
import type { ChatEvent, SseEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import type { CallRequest, StreamEncoder } from '../../core/ports/provider.ts';
import type { Usage } from '../../core/usage.ts';
import { objectAt } from '../read-json.ts';
import { completionId } from './encode-answer.ts';
import { writeCallSignature } from './read-message.ts';
import { writeOpenAiUsage } from './usage.ts';

/** True when the caller asked for the usage chunk at the end of a stream. */
export function wantsUsage(request: CallRequest): boolean {
  return objectAt(request.body, 'stream_options')?.include_usage === true;
}

export function createOpenAiStreamEncoder(request: CallRequest): StreamEncoder {
  const isUsageAsked = wantsUsage(request);
  let head: JsonObject = { id: completionId(''), object: 'chat.completion.chunk', created: 0, model: '' };
  const choicesBegun = new Set<number>();
  let usage: Usage | null = null;
  let serviceTier: string | null = null;

  function frame(choices: JsonObject[], usageField: JsonObject | null): SseEvent {
    const tier = serviceTier === null ? {} : { service_tier: serviceTier };
    return { data: JSON.stringify({ ...head, ...tier, choices, ...(isUsageAsked && { usage: usageField }) }) };
  }

  function delta(index: number, fields: JsonObject, finishReason: string | null = null): SseEvent {
    let content = fields;
    if (!choicesBegun.has(index)) {
      choicesBegun.add(index);
      content = { role: 'assistant', content: fields.tool_calls === undefined ? '' : null, ...fields };
    }
    return frame([{ index, delta: content, logprobs: null, finish_reason: finishReason }], null);
  }

  function encode(event: ChatEvent): SseEvent | undefined {
    switch (event.type) {
      case 'start':
        head = { ...head, id: completionId(event.id), created: event.created, model: event.model };
        return undefined;
      case 'text-delta':
        return delta(event.choice, { content: event.text });
      case 'refusal-delta':
        return delta(event.choice, { refusal: event.text });
      case 'reasoning-delta':
        return delta(event.choice, { reasoning_content: event.text });
      case 'reasoning-signature':
        return delta(event.choice, { reasoning_signature: event.signature });
      case 'tool-call-start':
        return delta(event.choice, {
          tool_calls: [
            {
              index: event.index,
              id: event.id,
              type: 'function',
              function: { name: event.name, arguments: '' },
              ...writeCallSignature(event.signature),
            },
          ],
        });
      case 'tool-call-delta':
        return delta(event.choice, {
          tool_calls: [{ index: event.index, function: { arguments: event.argumentsDelta } }],
        });
      case 'finish':
        return delta(event.choice, {}, event.reason);
      case 'usage':
        usage = event.usage;
        serviceTier = event.serviceTier;
        return undefined;
    }
  }

  return {
    push: (events) => events.map((event) => encode(event)).filter((event) => event !== undefined),
    end() {
      const frames: SseEvent[] = [];
      if (isUsageAsked) frames.push(frame([], usage === null ? null : writeOpenAiUsage(usage)));
      frames.push({ data: '[DONE]' });
      return frames;
    },
  };
}
