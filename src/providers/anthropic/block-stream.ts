/** One content block of a streamed message: canonical events out, and the whole block kept. */
import type { ChatEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { parseJson, stringAt } from '../read-json.ts';

export interface BlockStream {
  push(delta: JsonObject): ChatEvent[];
  /** What must still be told when the block ends. */
  stop(): ChatEvent[];
  /** The block as it stands, its input parsed. */
  whole(): JsonObject;
  /** The streamed JSON text of a tool's input; undefined when none was streamed. */
  readonly rawInput: string | undefined;
}

/** @param toolIndex where the block is a tool call: its place among the calls */
export function createBlockStream(start: JsonObject, toolIndex: number): BlockStream {
  const block: JsonObject = { ...start };
  let rawInput: string | undefined;

  function append(field: string, text: string): void {
    const old = block[field];
    block[field] = (typeof old === 'string' ? old : '') + text;
  }

  function readDelta(delta: JsonObject): ChatEvent[] {
    switch (delta.type) {
      case 'text_delta': {
        const text = stringAt(delta, 'text') ?? '';
        append('text', text);
        return text === '' ? [] : [{ type: 'text-delta', choice: 0, text }];
      }
      case 'thinking_delta': {
        const text = stringAt(delta, 'thinking') ?? '';
        append('thinking', text);
        return text === '' ? [] : [{ type: 'reasoning-delta', choice: 0, text }];
      }
      case 'signature_delta':
        append('signature', stringAt(delta, 'signature') ?? '');
        return [];
      case 'input_json_delta': {
        const argumentsDelta = stringAt(delta, 'partial_json') ?? '';
        rawInput = (rawInput ?? '') + argumentsDelta;
        if (argumentsDelta === '' || block.type !== 'tool_use') return [];
        return [{ type: 'tool-call-delta', choice: 0, index: toolIndex, argumentsDelta }];
      }
      case 'citations_delta':
        block.citations = [...(Array.isArray(block.citations) ? block.citations : []), delta.citation ?? null];
        return [];
      default:
        // Such as `compaction_delta`: kept as they are, for the stored answer; no canonical event has them.
        for (const [field, text] of Object.entries(delta)) {
          if (field !== 'type' && typeof text === 'string') append(field, text);
        }
        return [];
    }
  }

  return {
    push: readDelta,
    stop() {
      if (block.type !== 'tool_use' || rawInput) return [];
      return [
        { type: 'tool-call-delta', choice: 0, index: toolIndex, argumentsDelta: JSON.stringify(block.input ?? {}) },
      ];
    },
    get rawInput() {
      return rawInput;
    },
    whole() {
      // A cut or broken input stays what the block began with; the text itself is in the canonical reading.
      if (rawInput === undefined || rawInput === '') return block;
      return { ...block, input: parseJson(rawInput) ?? block.input ?? {} };
    },
  };
}
