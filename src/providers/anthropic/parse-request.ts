/** A caller's Messages API request: shapes and ranges that Anthropic documents, unknown fields left alone. */
import type { Json, JsonObject } from '../../core/json.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { pickWireHeaders } from '../request-headers.ts';
import type { ResponseHeaders } from '../retry-after.ts';
import {
  checkBody,
  checkBoolean,
  checkInteger,
  checkModel,
  checkNumber,
  checkOutputLimit,
  invalid,
  isAbsent,
  optionalObject,
  requireFilledArray,
  requireName,
  requireObject,
  refuseOwnTargets,
  requireString,
} from '../validate.ts';

const ROLES = ['user', 'assistant', 'system'];

/** Betas and the API version change what a body means: they belong to it. */
const WIRE_HEADERS = ['anthropic-beta', 'anthropic-version'];

export function parseAnthropicRequest(value: unknown, headers: ResponseHeaders = {}): CallRequest {
  const body = checkBody(value);
  checkModel(body);
  refuseOwnTargets(body, 'fallbacks');
  if (isAbsent(body.max_tokens)) throw invalid('max_tokens', 'is required.');
  checkOutputLimit(body, 'max_tokens');
  checkMessages(body.messages);
  checkContent(body.system, 'system', true);
  checkNumber(body, 'temperature', 0, 1);
  checkNumber(body, 'top_p', 0, 1);
  checkInteger(body, 'top_k', 0);
  checkBoolean(body, 'stream');
  checkStopSequences(body.stop_sequences);
  checkTools(body.tools);
  checkToolChoice(body);
  checkThinking(body);
  optionalObject(body, 'metadata');
  optionalObject(body, 'output_config');
  const wireHeaders = pickWireHeaders(headers, WIRE_HEADERS);
  return {
    wire: 'anthropic-messages',
    body,
    stream: body.stream === true,
    ...(wireHeaders !== undefined && { wireHeaders }),
  };
}

function checkMessages(value: Json | undefined): void {
  for (const [index, element] of requireFilledArray(value, 'messages').entries()) {
    const path = `messages[${String(index)}]`;
    const message = requireObject(element, path);
    if (typeof message.role !== 'string' || !ROLES.includes(message.role)) {
      throw invalid(`${path}.role`, `must be one of: ${ROLES.join(', ')}.`);
    }
    checkContent(message.content, `${path}.content`, false);
  }
}

function checkContent(content: Json | undefined, path: string, mayBeAbsent: boolean): void {
  if (typeof content === 'string' || (mayBeAbsent && isAbsent(content))) return;
  if (!Array.isArray(content)) throw invalid(path, 'must be a string or an array of content blocks.');
  for (const [index, element] of content.entries()) {
    const at = `${path}[${String(index)}]`;
    const block = requireObject(element, at);
    const type = requireName(block, 'type', `${at}.type`);
    if (type === 'text') requireString(block, 'text', `${at}.text`);
    if (type === 'image') requireName(requireObject(block.source, `${at}.source`), 'type', `${at}.source.type`);
    if (type === 'tool_use') checkToolUse(block, at);
    if (type === 'tool_result') {
      requireName(block, 'tool_use_id', `${at}.tool_use_id`);
      checkContent(block.content, `${at}.content`, true);
    }
  }
}

function checkToolUse(block: JsonObject, path: string): void {
  requireName(block, 'id', `${path}.id`);
  requireName(block, 'name', `${path}.name`);
  requireObject(block.input, `${path}.input`);
}

function checkStopSequences(value: Json | undefined): void {
  if (isAbsent(value)) return;
  if (!Array.isArray(value) || !value.every((element) => typeof element === 'string')) {
    throw invalid('stop_sequences', 'must be an array of strings.');
  }
}

function checkTools(value: Json | undefined): void {
  if (isAbsent(value)) return;
  if (!Array.isArray(value)) throw invalid('tools', 'must be an array.');
  for (const [index, element] of value.entries()) {
    const path = `tools[${String(index)}]`;
    const tool = requireObject(element, path);
    // Anthropic's own tools have a type, and some of them no name.
    if (!isAbsent(tool.type) && tool.type !== 'custom') continue;
    requireName(tool, 'name', `${path}.name`);
    requireObject(tool.input_schema, `${path}.input_schema`);
  }
}

function checkToolChoice(body: JsonObject): void {
  const choice = optionalObject(body, 'tool_choice');
  if (choice === undefined) return;
  if (typeof choice.type !== 'string' || !['auto', 'any', 'tool', 'none'].includes(choice.type)) {
    throw invalid('tool_choice.type', 'must be one of: auto, any, tool, none.');
  }
  if (choice.type === 'tool') requireName(choice, 'name', 'tool_choice.name');
}

function checkThinking(body: JsonObject): void {
  const thinking = optionalObject(body, 'thinking');
  if (thinking === undefined) return;
  requireName(thinking, 'type', 'thinking.type');
  const budget = thinking.budget_tokens;
  if (thinking.type === 'enabled' && (typeof budget !== 'number' || !Number.isSafeInteger(budget) || budget < 1)) {
    throw invalid('thinking.budget_tokens', 'must be a positive integer.');
  }
}
