/** Anthropic's counting: input excludes what the cache read and wrote, output includes thinking. */
import type { JsonObject } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { NO_USAGE, addUsage, tokenCount, totalOutputTokens } from '../../core/usage.ts';
import { objectAt, objectsAt } from '../read-json.ts';

/** With the requests that summarised the conversation in between (`compaction`): the sums leave those out, and they are billed. */
export function readAnthropicUsage(raw: JsonObject): Usage {
  const compactions = objectsAt(raw, 'iterations').filter(({ type }) => type === 'compaction');
  return [raw, ...compactions].map(readCounts).reduce(addUsage);
}

function readCounts(raw: JsonObject): Usage {
  const output = tokenCount(raw.output_tokens);
  const reasoningTokens = Math.min(output, tokenCount(objectAt(raw, 'output_tokens_details')?.thinking_tokens));
  return {
    ...NO_USAGE,
    inputTokens: tokenCount(raw.input_tokens),
    cacheReadTokens: tokenCount(raw.cache_read_input_tokens),
    cacheWriteTokens: tokenCount(raw.cache_creation_input_tokens),
    outputTokens: output - reasoningTokens,
    reasoningTokens,
  };
}

export function writeAnthropicUsage(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens + usage.inputAudioTokens,
    cache_creation_input_tokens: usage.cacheWriteTokens,
    cache_read_input_tokens: usage.cacheReadTokens,
    output_tokens: totalOutputTokens(usage),
    ...(usage.reasoningTokens > 0 && { output_tokens_details: { thinking_tokens: usage.reasoningTokens } }),
  };
}
