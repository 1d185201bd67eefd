/** Gemini's counting: the prompt includes what came from the cache, thoughts stand beside the candidates. */
import type { JsonObject } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { tokenCount } from '../../core/usage.ts';
import { objectsAt } from '../read-json.ts';

export function readGeminiUsage(raw: JsonObject): Usage {
  const prompt = tokenCount(raw.promptTokenCount) + tokenCount(raw.toolUsePromptTokenCount);
  const cacheReadTokens = Math.min(prompt, tokenCount(raw.cachedContentTokenCount));
  const cachedAudio = audioTokens(raw, 'cacheTokensDetails');
  const inputAudioTokens = Math.max(0, audioTokens(raw, 'promptTokensDetails') - cachedAudio);
  const outputAudioTokens = audioTokens(raw, 'candidatesTokensDetails');
  return {
    inputTokens: Math.max(0, prompt - cacheReadTokens - inputAudioTokens),
    cacheReadTokens,
    cacheWriteTokens: 0,
    outputTokens: Math.max(0, tokenCount(raw.candidatesTokenCount) - outputAudioTokens),
    reasoningTokens: tokenCount(raw.thoughtsTokenCount),
    inputAudioTokens,
    outputAudioTokens,
  };
}

function audioTokens(raw: JsonObject, field: string): number {
  return objectsAt(raw, field)
    .filter((detail) => detail.modality === 'AUDIO')
    .reduce((sum, detail) => sum + tokenCount(detail.tokenCount), 0);
}
