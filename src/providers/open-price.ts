/**
 * Requests whose cost neither the request bounds nor the counts of tokens tell: tools that the provider runs by itself (search,
 * fetching, code, remote MCP servers), whose findings are billed as input and some of which have fees of their own; and fields
 * that change the price of a token.
 */
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';

/** Anthropic defines these, and the caller runs them, as it does its own (`custom`). Source: Anthropic's tool reference. */
const RUN_BY_CALLER = /^(?:custom|(?:bash|text_editor|computer|memory)_\d{8})$/;
/** Kinds of tools of a chat completion that the caller runs. */
const CALLERS_FUNCTIONS = new Set<Json | undefined>(['function', 'custom']);
/** Fields with which chat completions of OpenAI, xAI and OpenRouter are told to search. */
const SEARCH_FIELDS = ['web_search_options', 'search_parameters', 'plugins'];
/** What Anthropic charges the list price for; a request that says anything else of these is charged more. */
const LISTED: readonly [field: string, value: string][] = [
  ['speed', 'standard'],
  ['inference_geo', 'global'],
];

/** Whether that holds at a provider of the request's own wire. A tool of unknown kind counts as the provider's. */
export function hasOpenPrice({ wire, body }: CallRequest): boolean {
  if (wire === 'anthropic-messages') {
    const isProvidersTool = ({ type }: JsonObject) => typeof type === 'string' && !RUN_BY_CALLER.test(type);
    return (
      objectsIn(body['tools']).some(isProvidersTool) ||
      isGiven(body['mcp_servers']) ||
      isGiven(body['container']) ||
      isCompacted(body['context_management']) ||
      LISTED.some(([field, value]) => isGiven(body[field]) && body[field] !== value)
    );
  }
  const isProvidersTool = ({ type }: JsonObject) => type !== undefined && !CALLERS_FUNCTIONS.has(type);
  return objectsIn(body['tools']).some(isProvidersTool) || SEARCH_FIELDS.some((field) => isGiven(body[field]));
}

/** The conversation is summarised by requests of their own, when it has grown too long. */
function isCompacted(management: Json | undefined): boolean {
  return isJsonObject(management) && objectsIn(management['edits']).some(isCompaction);
}

function isCompaction({ type }: JsonObject): boolean {
  return typeof type === 'string' && type.startsWith('compact');
}

function objectsIn(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function isGiven(value: Json | undefined): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null;
}
