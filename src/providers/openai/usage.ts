/** OpenAI's counting to disjoint counters and back. Its prompt and completion counts include everything beside them. */
import type { JsonObject } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { tokenCount, totalInputTokens, totalOutputTokens } from '../../core/usage.ts';
import { objectAt } from '../read-json.ts';

export function readOpenAiUsage(raw: JsonObject): Usage {
  const inputDetails = objectAt(raw, 'prompt_tokens_details');
  const outputDetails = objectAt(raw, 'completion_tokens_details');
  const prompt = tokenCount(raw.prompt_tokens);
  const completion = tokenCount(raw.completion_tokens);

  // `prompt_cache_hit_tokens` is DeepSeek's name.
  const cacheReadTokens = tokenCount(inputDetails?.cached_tokens ?? raw.prompt_cache_hit_tokens);
  const cacheWriteTokens = tokenCount(inputDetails?.cache_write_tokens);
  const inputAudioTokens = tokenCount(inputDetails?.audio_tokens);
  // Google's compatible server tells of its thinking only by a total that is larger than the sum of the two.
  const untold = Math.max(0, tokenCount(raw.total_tokens) - prompt - completion);
  const reasoningTokens = tokenCount(outputDetails?.reasoning_tokens ?? raw.reasoning_tokens) || untold;
  const outputAudioTokens = tokenCount(outputDetails?.audio_tokens);

  // Some compatible servers (xAI) count reasoning beside the completion; their total gives them away.
  const isReasoningBeside =
    reasoningTokens > 0 && tokenCount(raw.total_tokens) >= prompt + completion + reasoningTokens;
  return {
    inputTokens: Math.max(0, prompt - cacheReadTokens - cacheWriteTokens - inputAudioTokens),
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens: Math.max(0, completion - outputAudioTokens - (isReasoningBeside ? 0 : reasoningTokens)),
    reasoningTokens,
    inputAudioTokens,
    outputAudioTokens,
  };
}

export function writeOpenAiUsage(usage: Usage): JsonObject {
  const prompt = totalInputTokens(usage);
  const completion = totalOutputTokens(usage);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: usage.cacheReadTokens,
      audio_tokens: usage.inputAudioTokens,
      ...(usage.cacheWriteTokens > 0 && { cache_write_tokens: usage.cacheWriteTokens }),
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: usage.outputAudioTokens,
    },
  };
}
