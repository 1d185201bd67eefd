/**
 * What models can do, by kind and model name. A small table of what is sure; a model it does not know is assumed able,
 * and the provider decides. First match wins.
 */
import type { Capability, ModelCapabilities } from '../core/ports/provider.ts';

interface Row {
  pattern: RegExp;
  lacks?: readonly Capability[];
  /** Instead of `lacks`: the model can do this and nothing else. */
  only?: readonly Capability[];
  contextWindow?: number;
  maxOutputTokens?: number;
}

const ALL: readonly Capability[] = [
  'chat',
  'streaming',
  'tools',
  'parallel-tools',
  'vision',
  'audio-in',
  'audio-out',
  'json-schema',
  'reasoning',
  'embeddings',
  'multiple-choices',
  'background',
];

/** What no model of a kind can do, because its wire or our conversion cannot carry it. */
const KIND_LACKS: Readonly<Record<string, readonly Capability[]>> = {
  'openai-compatible': ['background'],
  anthropic: ['embeddings', 'multiple-choices', 'audio-in', 'audio-out', 'background'],
  gemini: ['embeddings', 'multiple-choices', 'audio-out', 'background'],
};

const OPENAI_ROWS: readonly Row[] = [
  { pattern: /^text-embedding-/, only: ['embeddings'], contextWindow: 8_192 },
  {
    pattern: /^gpt-3\.5/,
    lacks: ['vision', 'audio-in', 'audio-out', 'json-schema', 'reasoning', 'embeddings'],
    contextWindow: 16_385,
    maxOutputTokens: 4_096,
  },
  {
    pattern: /^gpt-4o(?:-mini)?-audio/,
    lacks: ['vision', 'reasoning', 'embeddings'],
    contextWindow: 128_000,
    maxOutputTokens: 16_384,
  },
  {
    pattern: /^gpt-4o/,
    lacks: ['audio-in', 'audio-out', 'reasoning', 'embeddings'],
    contextWindow: 128_000,
    maxOutputTokens: 16_384,
  },
  {
    pattern: /^gpt-4\.1/,
    lacks: ['audio-in', 'audio-out', 'reasoning', 'embeddings'],
    contextWindow: 1_047_576,
    maxOutputTokens: 32_768,
  },
  {
    pattern: /^gpt-4-turbo/,
    lacks: ['audio-in', 'audio-out', 'json-schema', 'reasoning', 'embeddings'],
    contextWindow: 128_000,
    maxOutputTokens: 4_096,
  },
  {
    pattern: /^gpt-5(?:-mini|-nano|\.1|\.2)?(?:-\d{4}.*)?$/,
    lacks: ['audio-in', 'audio-out', 'embeddings'],
    contextWindow: 400_000,
    maxOutputTokens: 128_000,
  },
  {
    pattern: /^o(?:1|3|4-mini)(?:-\d{4}.*)?$/,
    lacks: ['audio-in', 'audio-out', 'embeddings'],
    contextWindow: 200_000,
    maxOutputTokens: 100_000,
  },
];

const ROWS: Readonly<Record<string, readonly Row[]>> = {
  openai: OPENAI_ROWS,
  anthropic: [
    {
      pattern: /^claude-3-(?:opus|haiku|sonnet)/,
      lacks: ['json-schema', 'reasoning'],
      contextWindow: 200_000,
      maxOutputTokens: 4_096,
    },
    { pattern: /^claude-3-5-/, lacks: ['json-schema', 'reasoning'], contextWindow: 200_000, maxOutputTokens: 8_192 },
    { pattern: /^claude-3-7-/, lacks: ['json-schema'], contextWindow: 200_000, maxOutputTokens: 64_000 },
    { pattern: /^claude-opus-4(?:-0|-1|-2025)/, contextWindow: 200_000, maxOutputTokens: 32_000 },
    { pattern: /^claude-opus-4-5/, contextWindow: 200_000, maxOutputTokens: 64_000 },
    { pattern: /^claude-opus-4-6/, contextWindow: 200_000, maxOutputTokens: 128_000 },
    { pattern: /^claude-(?:sonnet|haiku)-4/, contextWindow: 200_000, maxOutputTokens: 64_000 },
  ],
  gemini: [
    { pattern: /^gemini-(?:1\.5|2\.0)-/, lacks: ['reasoning'], contextWindow: 1_048_576, maxOutputTokens: 8_192 },
    { pattern: /^gemini-(?:2\.5|3(?:\.\d)?)-(?:pro|flash)/, contextWindow: 1_048_576, maxOutputTokens: 65_536 },
    { pattern: /embedding/, only: [] },
  ],
};

/** @example modelCapabilities('openai', 'gpt-4o').supports.has('vision') // true */
export function modelCapabilities(kind: string, model: string): ModelCapabilities {
  const row = ROWS[kind]?.find(({ pattern }) => pattern.test(model));
  const { only, contextWindow, maxOutputTokens } = row ?? {};
  const lacks = new Set([...(KIND_LACKS[kind] ?? []), ...(row?.lacks ?? [])]);
  return {
    supports: new Set(only ?? ALL.filter((capability) => !lacks.has(capability))),
    ...(contextWindow !== undefined && { contextWindow }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
  };
}
