/** Anthropic's message stream to canonical events, with the whole message assembled on the way. */
import type { ChatEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import type { StreamDecoder } from '../../core/ports/provider.ts';
import { brokenAnswer } from '../broken-answer.ts';
import { numberAt, objectAt, parseJsonObject, stringAt } from '../read-json.ts';
import type { BlockStream } from './block-stream.ts';
import { createBlockStream } from './block-stream.ts';
import { readMessage, readSignature } from './decode-answer.ts';
import { anthropicErrorEvent } from './map-failure.ts';
import { readStopReason } from './stop-reason.ts';
import { readAnthropicUsage } from './usage.ts';

export function createAnthropicStreamDecoder(createdSeconds: number): StreamDecoder {
  let message: JsonObject = { id: '', type: 'message', role: 'assistant', model: '', content: [] };
  const blocks = new Map<number, BlockStream>();
  let toolCount = 0;
  let isComplete = false;
  let areCountsFinal = false;

  const inOrder = (): BlockStream[] => [...blocks].sort(([a], [b]) => a - b).map(([, block]) => block);
  const wholeBlocks = (): JsonObject[] => inOrder().map((block) => block.whole());

  function startMessage(event: JsonObject): ChatEvent[] {
    message = { ...message, ...objectAt(event, 'message') };
    const id = stringAt(message, 'id') ?? '';
    return [{ type: 'start', id, model: stringAt(message, 'model') ?? '', created: createdSeconds }];
  }

  function startBlock(event: JsonObject): ChatEvent[] {
    const block = objectAt(event, 'content_block') ?? {};
    const index = toolCount;
    blocks.set(numberAt(event, 'index') ?? blocks.size, createBlockStream(block, index));
    if (block.type === 'text') return textEvent('text-delta', stringAt(block, 'text'));
    if (block.type === 'thinking') return textEvent('reasoning-delta', stringAt(block, 'thinking'));
    if (block.type !== 'tool_use') return [];
    toolCount += 1;
    return [
      {
        type: 'tool-call-start',
        choice: 0,
        index,
        id: stringAt(block, 'id') ?? '',
        name: stringAt(block, 'name') ?? '',
      },
    ];
  }

  function pushDelta(event: JsonObject): ChatEvent[] {
    const block = blocks.get(numberAt(event, 'index') ?? -1);
    if (block === undefined) throw brokenAnswer('The stream holds a delta of a content block that was never started.');
    return block.push(objectAt(event, 'delta') ?? {});
  }

  /** A tool without arguments streams none, and some servers give them all at the start: either way they are told once. */
  function stopBlock(event: JsonObject): ChatEvent[] {
    return blocks.get(numberAt(event, 'index') ?? -1)?.stop() ?? [];
  }

  /** The counts here are totals so far, and what is absent or null keeps what `message_start` said. */
  function readMessageDelta(event: JsonObject): ChatEvent[] {
    const events: ChatEvent[] = [];
    message = { ...message, ...objectAt(event, 'delta') };
    const counts = Object.entries(objectAt(event, 'usage') ?? {}).filter(([, value]) => value !== null);
    areCountsFinal = true;
    message.usage = { ...objectAt(message, 'usage'), ...Object.fromEntries(counts) };
    const rawReason = stringAt(message, 'stop_reason') ?? null;
    if (rawReason !== null) {
      const signature = readSignature(wholeBlocks());
      if (signature !== null) events.push({ type: 'reasoning-signature', choice: 0, signature });
      const refusal = stringAt(objectAt(message, 'stop_details'), 'explanation') ?? '';
      if (refusal !== '') events.push({ type: 'refusal-delta', choice: 0, text: refusal });
      events.push({ type: 'finish', choice: 0, reason: readStopReason(rawReason), rawReason });
    }
    events.push({
      type: 'usage',
      usage: readAnthropicUsage(message.usage),
      serviceTier: stringAt(message.usage, 'service_tier') ?? null,
    });
    return events;
  }

  function readEvent(event: JsonObject): ChatEvent[] {
    switch (event.type) {
      case 'message_start':
        return startMessage(event);
      case 'content_block_start':
        return startBlock(event);
      case 'content_block_delta':
        return pushDelta(event);
      case 'content_block_stop':
        return stopBlock(event);
      case 'message_delta':
        return readMessageDelta(event);
      case 'message_stop':
        isComplete = true;
        return [];
      case 'error':
        throw anthropicErrorEvent(event);
      default:
        return [];
    }
  }

  return {
    push({ event: name, data }) {
      if (isComplete || data === '' || name === 'ping') return [];
      const event = parseJsonObject(data);
      if (event === undefined) throw brokenAnswer('The stream holds an event that is not a JSON object.');
      if (name === 'error') throw anthropicErrorEvent(event);
      return readEvent(event);
    },
    get isComplete() {
      return isComplete;
    },
    get hasEnded() {
      return isComplete;
    },
    answer() {
      const raw = new Map(inOrder().flatMap(({ rawInput }, index) => (rawInput ? [[index, rawInput] as const] : [])));
      const answer = readMessage({ ...message, content: wholeBlocks() }, createdSeconds, raw);
      if (areCountsFinal || answer.chat === null) return answer;
      // `message_start` counts one output token before there is any: of a cut stream nothing is known.
      return { ...answer, usage: null, chat: { ...answer.chat, usage: null } };
    },
  };
}

function textEvent(type: 'text-delta' | 'reasoning-delta', text: string | undefined): ChatEvent[] {
  return text === undefined || text === '' ? [] : [{ type, choice: 0, text }];
}
