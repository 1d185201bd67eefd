/**
 * Content blocks of an outgoing message, one open at a time. Other providers may interleave: a delta for an earlier tool
 * call can come after a later one has begun. So a block is closed only once it is known to be whole (a tool's arguments
 * parse), and what comes after it waits until then.
 */
import type { SseEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { parseJsonObject } from '../read-json.ts';

interface Block {
  /** `text`, `thinking`, or the index of a tool call. */
  key: string | number;
  start: JsonObject;
  waiting: JsonObject[];
  json: string;
  isOpen: boolean;
}

export interface BlockQueue {
  /** Deltas of text and thinking go to the last block if it is of their kind, else to a new one. */
  addDelta(kind: 'text' | 'thinking', start: JsonObject, delta: JsonObject): void;
  startTool(index: number, start: JsonObject): void;
  addArguments(index: number, json: string): void;
  /** The events that can go out now; with `isEnd` all that is left, every block closed. */
  drain(isEnd: boolean): SseEvent[];
}

export function createBlockQueue(): BlockQueue {
  const blocks: Block[] = [];
  let position = 0;

  const open = (key: Block['key'], start: JsonObject): Block => {
    const block: Block = { key, start, waiting: [], json: '', isOpen: false };
    blocks.push(block);
    return block;
  };

  function isWhole(block: Block): boolean {
    if (typeof block.key === 'string') return true;
    const json = block.json.trimEnd();
    return json === '' ? false : json.endsWith('}') && parseJsonObject(json) !== undefined;
  }

  return {
    addDelta(kind, start, delta) {
      const last = blocks.at(-1);
      const block = last?.key === kind ? last : open(kind, start);
      block.waiting.push(delta);
    },
    startTool(index, start) {
      open(index, start);
    },
    addArguments(index, json) {
      const block = blocks.find((candidate) => candidate.key === index);
      if (block === undefined) return;
      block.json += json;
      block.waiting.push({ type: 'input_json_delta', partial_json: json });
    },
    drain(isEnd) {
      const events: SseEvent[] = [];
      for (let head = blocks[0]; head !== undefined; head = blocks[0]) {
        if (!head.isOpen) {
          head.isOpen = true;
          events.push(sse({ type: 'content_block_start', index: position, content_block: head.start }));
        }
        for (const delta of head.waiting) events.push(sse({ type: 'content_block_delta', index: position, delta }));
        head.waiting = [];
        if (!isEnd && (blocks.length === 1 || !isWhole(head))) break;
        events.push(sse({ type: 'content_block_stop', index: position }));
        blocks.shift();
        position += 1;
      }
      return events;
    },
  };
}

/** Anthropic names each event by the type in its data. */
export function sse(data: JsonObject & { type: string }): SseEvent {
  return { event: data.type, data: JSON.stringify(data) };
}
