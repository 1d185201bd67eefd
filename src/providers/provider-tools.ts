/**
 * Tools that a provider runs by itself in the middle of a call: search, fetching, code, remote MCP servers. What they bring in
 * is billed as input that nobody can bound beforehand, and some have fees of their own, which no count of tokens shows.
 */
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';

/** Anthropic defines these, and the caller runs them, as it does its own (`custom`). Source: Anthropic's tool reference. */
const RUN_BY_CALLER = /^(?:custom|(?:bash|text_editor|computer|memory)_\d{8})$/;
/** Kinds of tools of a chat completion that the caller runs. */
const CALLERS_FUNCTIONS = new Set<Json | undefined>(['function', 'custom']);
/** Fields with which chat completions of OpenAI, xAI and OpenRouter are told to search. */
const SEARCH_FIELDS = ['web_search_options', 'search_parameters', 'plugins'];

/** Whether the provider is asked for such tools, if the request goes to one of its own wire. A tool of unknown kind counts as one. */
export function asksForProviderTools({ wire, body }: CallRequest): boolean {
  if (wire === 'anthropic-messages') {
    const isOwn = ({ type }: JsonObject) => typeof type === 'string' && !RUN_BY_CALLER.test(type);
    return toolsOf(body).some(isOwn) || isGiven(body['mcp_servers']) || isGiven(body['container']);
  }
  const isOwn = ({ type }: JsonObject) => type !== undefined && !CALLERS_FUNCTIONS.has(type);
  return toolsOf(body).some(isOwn) || SEARCH_FIELDS.some((field) => isGiven(body[field]));
}

function toolsOf({ tools }: JsonObject): JsonObject[] {
  return Array.isArray(tools) ? tools.filter(isJsonObject) : [];
}

function isGiven(value: Json | undefined): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null;
}
