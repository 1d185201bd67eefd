/** The simulator's answers in Gemini's wire: text and tools. A stream is one event that holds the whole answer. */
import type { JsonObject } from '../core/json.ts';
import type { Composition } from './compose.ts';

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
};

export function geminiAnswer(model: string, said: Composition): JsonObject {
  const parts: JsonObject[] =
    said.toolCalls.length > 0
      ? said.toolCalls.map(({ name, arguments: json }) => ({
          functionCall: { name, args: JSON.parse(json) as JsonObject },
        }))
      : [{ text: said.text }];
  return {
    candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }],
    usageMetadata: {
      promptTokenCount: said.promptTokens,
      candidatesTokenCount: said.textTokens,
      totalTokenCount: said.promptTokens + said.textTokens,
    },
    modelVersion: model,
    responseId: said.id,
  };
}

export function geminiError(status: number, message: string): JsonObject {
  return { error: { code: status, message, status: STATUS_NAMES[status] ?? 'UNAVAILABLE' } };
}
