import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { asksForProviderTools } from './provider-tools.ts';

const asks = (wire: CallRequest['wire'], body: JsonObject) => asksForProviderTools({ wire, stream: false, body });

describe('tools that the provider runs', () => {
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
  ])('are asked for on %s by %j', (wire, body) => {
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
  ])('are not on %s by %j', (wire, body) => {
    expect(asks(wire, body)).toBe(false);
  });
});
