import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { hasOpenPrice } from './open-price.ts';

const asks = (wire: CallRequest['wire'], body: JsonObject) => hasOpenPrice({ wire, stream: false, body });

describe('an open price', () => {
  it.each<[CallRequest['wire'], JsonObject]>([
    ['anthropic-messages', { tools: [{ name: 'mine' }, { type: 'web_search_20250305', name: 'web_search' }] }],
    ['anthropic-messages', { tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }] }],
    ['anthropic-messages', { tools: [{ type: 'code_execution_20250825', name: 'code_execution' }] }],
    ['anthropic-messages', { tools: [{ type: 'of_a_kind_to_come', name: 'x' }] }],
    ['anthropic-messages', { mcp_servers: [{ type: 'url', url: 'https://example.com', name: 'x' }] }],
    ['anthropic-messages', { container: { skills: [] } }],
    ['openai-chat', { web_search_options: {} }],
    ['openai-chat', { search_parameters: { mode: 'auto' } }],
    ['openai-chat', { plugins: [{ id: 'web' }] }],
    ['openai-chat', { tools: [{ type: 'web_search' }] }],
    ['anthropic-messages', { speed: 'fast' }],
    ['anthropic-messages', { inference_geo: 'us' }],
    ['anthropic-messages', { context_management: { edits: [{ type: 'compact_20260112' }] } }],
  ])('is that of a request on %s with %j', (wire, body) => {
    expect(asks(wire, body)).toBe(true);
  });

  it.each<[CallRequest['wire'], JsonObject]>([
    ['anthropic-messages', {}],
    ['anthropic-messages', { tools: [{ name: 'mine' }, { type: 'custom', name: 'mine' }], mcp_servers: [] }],
    ['anthropic-messages', { tools: [{ type: null, name: 'mine' }], container: null }],
    ['anthropic-messages', { tools: ['bash', 'text_editor', 'memory'].map((name) => ({ type: `${name}_20250124` })) }],
    ['anthropic-messages', { web_search_options: {} }],
    ['openai-chat', {}],
    ['openai-chat', { tools: [{ type: 'function', function: { name: 'web_search' } }, { type: 'custom' }, {}] }],
    ['openai-chat', { plugins: [], web_search_options: null, mcp_servers: [{}] }],
    ['openai-embeddings', { input: 'x' }],
    ['anthropic-messages', { speed: 'standard', inference_geo: 'global' }],
    ['anthropic-messages', { speed: null, context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } }],
  ])('is not that of one on %s with %j', (wire, body) => {
    expect(asks(wire, body)).toBe(false);
  });
});
