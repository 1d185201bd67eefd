/**
 * Canonical events as Anthropic's message stream: `message_start`, `ping`, blocks one after the other, then
 * `message_delta` with the final counts and `message_stop`.
 */
import type { ChatEvent, FinishReason, SseEvent } from '../../core/chat.ts';
import type { StreamEncoder } from '../../core/ports/provider.ts';
import type { Usage } from '../../core/usage.ts';
import { NO_USAGE } from '../../core/usage.ts';
import { showSignature } from '../reasoning-signature.ts';
import { createBlockQueue, sse } from './block-queue.ts';
import { messageHead } from './encode-answer.ts';
import { writeStopReason } from './stop-reason.ts';
import { writeAnthropicUsage } from './usage.ts';

const TEXT_BLOCK = { type: 'text', text: '', citations: null };
const THINKING_BLOCK = { type: 'thinking', thinking: '', signature: '' };

export function createAnthropicStreamEncoder(): StreamEncoder {
  const queue = createBlockQueue();
  let isStarted = false;
  let reason: FinishReason = 'stop';
  let usage: Usage = NO_USAGE;

  function start(id: string, model: string): SseEvent[] {
    if (isStarted) return [];
    isStarted = true;
    return [sse({ type: 'message_start', message: messageHead(id, model) }), sse({ type: 'ping' })];
  }

  function add(event: ChatEvent): void {
    // Anthropic's wire has one choice; a caller of it cannot have asked for more.
    if ('choice' in event && event.choice !== 0) return;
    switch (event.type) {
      case 'text-delta':
      case 'refusal-delta':
        queue.addDelta('text', TEXT_BLOCK, { type: 'text_delta', text: event.text });
        break;
      case 'reasoning-delta':
        queue.addDelta('thinking', THINKING_BLOCK, { type: 'thinking_delta', thinking: event.text });
        break;
      case 'reasoning-signature':
        queue.addDelta('thinking', THINKING_BLOCK, {
          type: 'signature_delta',
          signature: showSignature('anthropic', event.signature),
        });
        break;
      case 'tool-call-start':
        queue.startTool(event.index, { type: 'tool_use', id: event.id, name: event.name, input: {} });
        break;
      case 'tool-call-delta':
        queue.addArguments(event.index, event.argumentsDelta);
        break;
      case 'finish':
        reason = event.reason;
        break;
      case 'usage':
        usage = event.usage;
        break;
      case 'start':
        break;
    }
  }

  return {
    push(events) {
      const frames: SseEvent[] = [];
      for (const event of events) {
        frames.push(...(event.type === 'start' ? start(event.id, event.model) : start('', '')));
        add(event);
        for (const frame of queue.drain(event.type === 'finish' && event.choice === 0)) frames.push(frame);
      }
      return frames;
    },
    end() {
      return [
        ...start('', ''),
        ...queue.drain(true),
        sse({
          type: 'message_delta',
          delta: { stop_reason: writeStopReason(reason), stop_sequence: null },
          usage: writeAnthropicUsage(usage),
        }),
        sse({ type: 'message_stop' }),
      ];
    },
  };
}
