/** One choice of a streamed completion: canonical events out, and the whole choice kept. */
import type { ChatEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { objectAt, objectsAt, stringAt } from '../read-json.ts';
import { readFinishReason } from './finish-reason.ts';
import { mergeDelta } from './merge-delta.ts';
import { readReasoning, readText } from './read-message.ts';
import type { ToolCallTracker } from './tool-call-tracker.ts';
import { createToolCallTracker } from './tool-call-tracker.ts';

export interface ChoiceStream {
  readonly isFinished: boolean;
  push(choice: JsonObject, events: ChatEvent[]): void;
  /** The choice as an answer without streaming holds it. */
  whole(): JsonObject;
}

export function createChoiceStream(index: number, answerId: () => string): ChoiceStream {
  const message: JsonObject = { role: 'assistant', content: null };
  const extra: JsonObject = {};
  let tools: ToolCallTracker | undefined;
  let finishReason: string | null = null;

  function readDelta(delta: JsonObject, events: ChatEvent[]): void {
    const reasoning = readReasoning(delta);
    if (reasoning) events.push({ type: 'reasoning-delta', choice: index, text: reasoning });
    const signature = stringAt(delta, 'reasoning_signature');
    if (signature) events.push({ type: 'reasoning-signature', choice: index, signature });
    const text = readText(delta.content);
    if (text) events.push({ type: 'text-delta', choice: index, text });
    const refusal = stringAt(delta, 'refusal');
    if (refusal) events.push({ type: 'refusal-delta', choice: index, text: refusal });

    for (const key in delta) {
      if (key !== 'tool_calls') mergeDelta(message, key, delta[key]);
    }
    for (const call of objectsAt(delta, 'tool_calls')) {
      tools ??= createToolCallTracker(index, answerId);
      for (const event of tools.push(call)) events.push(event);
    }
  }

  return {
    get isFinished() {
      return finishReason !== null;
    },
    push(choice, events) {
      const delta = objectAt(choice, 'delta') ?? objectAt(choice, 'message');
      if (delta !== undefined) readDelta(delta, events);
      for (const key in choice) if (!KNOWN_FIELDS.has(key)) mergeDelta(extra, key, choice[key]);
      const reason = stringAt(choice, 'finish_reason');
      if (reason === undefined || finishReason !== null) return;
      finishReason = reason;
      if (tools !== undefined) for (const event of tools.flush()) events.push(event);
      events.push({
        type: 'finish',
        choice: index,
        reason: readFinishReason(reason, tools !== undefined),
        rawReason: reason,
      });
    },
    whole() {
      const calls = tools?.calls();
      return {
        index,
        message: calls === undefined ? message : { ...message, tool_calls: calls },
        ...extra,
        finish_reason: finishReason,
      };
    },
  };
}

const KNOWN_FIELDS: ReadonlySet<string> = new Set(['index', 'delta', 'message', 'finish_reason']);
