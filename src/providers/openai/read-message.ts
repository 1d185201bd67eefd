/** An assistant message of OpenAI's wire, as the canonical answer reads it. */
import type { ToolCall } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import { objectAt, objectsAt, stringAt } from '../read-json.ts';

/** The text of a content that is a string or, as some compatible servers send it, a list of parts. */
export function readText(content: unknown): string | null {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return null;
  const texts = content.map((part: unknown) => (isJsonObject(part) ? (stringAt(part, 'text') ?? '') : ''));
  return texts.length === 0 ? null : texts.join('');
}

/** Reasoning text by either of its two names in use. */
export function readReasoning(source: JsonObject): string | null {
  return stringAt(source, 'reasoning_content') ?? stringAt(source, 'reasoning') ?? null;
}

export function readToolCalls(message: JsonObject, answerId: string): ToolCall[] {
  return objectsAt(message, 'tool_calls').map((call, index) => {
    const callee = objectAt(call, 'function') ?? objectAt(call, 'custom');
    const signature = readCallSignature(call);
    return {
      id: stringAt(call, 'id') || substituteCallId(answerId, index),
      name: stringAt(callee, 'name') ?? '',
      arguments: stringAt(callee, 'arguments') ?? stringAt(callee, 'input') ?? '',
      ...(signature !== undefined && { signature }),
    };
  });
}

/** Gemini's proof of a call, where Google's own OpenAI-compatible endpoint puts it. */
export function readCallSignature(call: JsonObject): string | undefined {
  return stringAt(objectAt(objectAt(call, 'extra_content'), 'google'), 'thought_signature');
}

export function writeCallSignature(signature: string | undefined): JsonObject {
  return signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } };
}

/** For servers that give calls no id: unique in a conversation as long as answers have ids. */
export function substituteCallId(answerId: string, index: number): string {
  return `call_${answerId.replace(/[^A-Za-z0-9_-]/g, '').slice(-40)}_${String(index)}`;
}
