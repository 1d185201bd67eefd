/**
 * What a provider counted, in disjoint counters: no token is in two of them. Each wire's own counting (cached tokens
 * inside the prompt count, reasoning inside the completion count, ...) is undone where it is decoded.
 */
export interface Usage {
  /** Prompt tokens billed at the plain input rate: without cache reads and writes, without audio. */
  inputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  /** Visible output tokens: without reasoning, without audio. */
  outputTokens: number;
  reasoningTokens: number;
  inputAudioTokens: number;
  outputAudioTokens: number;
}

export const NO_USAGE: Readonly<Usage> = Object.freeze({
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  inputAudioTokens: 0,
  outputAudioTokens: 0,
});

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    inputAudioTokens: a.inputAudioTokens + b.inputAudioTokens,
    outputAudioTokens: a.outputAudioTokens + b.outputAudioTokens,
  };
}

/** All prompt tokens: the number that long-context tiers and context windows look at. */
export function totalInputTokens(usage: Usage): number {
  return usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens + usage.inputAudioTokens;
}

export function totalOutputTokens(usage: Usage): number {
  return usage.outputTokens + usage.reasoningTokens + usage.outputAudioTokens;
}

/** A counter from foreign JSON: a non-negative safe integer, or 0 for anything else. */
export function tokenCount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
    ? Math.min(Math.trunc(value), Number.MAX_SAFE_INTEGER)
    : 0;
}
