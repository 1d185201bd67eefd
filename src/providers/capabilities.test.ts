import { describe, expect, test } from 'vitest';
import type { Capability } from '../core/ports/provider.ts';
import { modelCapabilities } from './capabilities.ts';
import { providerAdapters } from './registry.ts';
import { requiredCapabilities } from './required-capabilities.ts';

describe('a model', () => {
  test.each<[string, string, Capability, boolean]>([
    ['openai', 'gpt-4o', 'vision', true],
    ['openai', 'gpt-4o-2024-08-06', 'reasoning', false],
    ['openai', 'gpt-3.5-turbo', 'vision', false],
    ['openai', 'gpt-5', 'reasoning', true],
    ['openai', 'text-embedding-3-small', 'chat', false],
    ['openai', 'text-embedding-3-small', 'embeddings', true],
    ['openai', 'gpt-99-unheard-of', 'audio-out', true],
    ['openai-compatible', 'text-embedding-3-small', 'chat', true],
    ['anthropic', 'claude-3-5-haiku-20241022', 'json-schema', false],
    ['anthropic', 'claude-opus-99', 'json-schema', true],
    ['anthropic', 'claude-opus-99', 'multiple-choices', false],
    ['gemini', 'gemini-2.5-pro', 'audio-in', true],
    ['gemini', 'gemini-2.0-flash', 'reasoning', false],
    ['unheard-of', 'x', 'chat', true],
  ])('%s %s: %s is %s', (kind, model, capability, expected) => {
    expect(modelCapabilities(kind, model).supports.has(capability)).toBe(expected);
  });

  test('has a window and a most output where they are known', () => {
    expect(modelCapabilities('openai', 'gpt-4o')).toMatchObject({ contextWindow: 128_000, maxOutputTokens: 16_384 });
    expect(modelCapabilities('openai', 'new')).not.toHaveProperty('contextWindow');
  });
});

describe('a request needs', () => {
  const messages = [{ role: 'user', content: 'x' }];
  const part = (type: string) => ({ messages: [{ role: 'user', content: [{ type }] }] });
  test.each<[object, Capability[]]>([
    [{ messages }, ['chat']],
    [{ messages, stream: true }, ['chat', 'streaming']],
    [{ messages, tools: [{}], parallel_tool_calls: true }, ['chat', 'tools', 'parallel-tools']],
    [{ messages, tools: [] }, ['chat']],
    [part('image_url'), ['chat', 'vision']],
    [part('input_audio'), ['chat', 'audio-in']],
    [part('constructor'), ['chat']],
    [{ messages, modalities: ['text', 'audio'] }, ['chat', 'audio-out']],
    [{ messages, response_format: { type: 'json_schema' } }, ['chat', 'json-schema']],
    [{ messages, response_format: { type: 'json_object' } }, ['chat']],
    [{ messages, reasoning_effort: 'high' }, ['chat', 'reasoning']],
    [{ messages, reasoning_effort: 'none' }, ['chat']],
    [{ messages, n: 2 }, ['chat', 'multiple-choices']],
    [{ input: 'x' }, ['embeddings']],
  ])('%j: %j', (request, expected) => {
    expect([...requiredCapabilities({ ...request })].sort()).toEqual(expected.sort());
  });

  test('streaming, where only the call says so', () => {
    expect(requiredCapabilities({ messages }, true).has('streaming')).toBe(true);
  });
});

test('every kind of the registry knows itself', () => {
  expect([...providerAdapters.keys()].sort()).toEqual([
    'anthropic',
    'gemini',
    'openai',
    'openai-compatible',
    'simulated',
  ]);
  for (const [kind, adapter] of providerAdapters) {
    expect(adapter.kind).toBe(kind);
    expect(adapter.capabilities('unheard-of').supports.has('chat')).toBe(true);
    expect(adapter.defaultBaseUrl?.endsWith('/') ?? false).toBe(false);
  }
});
