/** A caller's chat completion request: shapes and ranges that OpenAI documents, unknown fields left alone. */
import type { JsonObject } from '../../core/json.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import {
  checkBody,
  checkBoolean,
  checkInteger,
  checkModel,
  checkNumber,
  checkOutputLimit,
  checkStrings,
  invalid,
  isAbsent,
  optionalObject,
  refuseOwnTargets,
  requireName,
  requireObject,
} from '../validate.ts';
import { checkMessages } from './check-messages.ts';

const MAX_CHOICES = 128;

export function parseChatRequest(value: unknown): CallRequest {
  const body = checkBody(value);
  checkModel(body);
  refuseOwnTargets(body, 'models');
  checkMessages(body.messages);
  checkNumber(body, 'temperature', 0, 2);
  checkNumber(body, 'top_p', 0, 1);
  checkNumber(body, 'presence_penalty', -2, 2);
  checkNumber(body, 'frequency_penalty', -2, 2);
  checkInteger(body, 'n', 1, MAX_CHOICES);
  checkOutputLimit(body, 'max_tokens');
  checkOutputLimit(body, 'max_completion_tokens');
  checkInteger(body, 'top_logprobs', 0);
  checkInteger(body, 'seed', Number.MIN_SAFE_INTEGER);
  checkBoolean(body, 'stream');
  checkBoolean(body, 'parallel_tool_calls');
  checkBoolean(body, 'logprobs');
  checkStrings(body, 'stop');
  optionalObject(body, 'stream_options');
  optionalObject(body, 'logit_bias');
  checkTools(body);
  checkToolChoice(body);
  checkResponseFormat(body);
  return { wire: 'openai-chat', body, stream: body.stream === true };
}

function checkTools(body: JsonObject): void {
  if (isAbsent(body.tools)) return;
  if (!Array.isArray(body.tools)) throw invalid('tools', 'must be an array.');
  for (const [index, element] of body.tools.entries()) {
    const path = `tools[${String(index)}]`;
    const tool = requireObject(element, path);
    const type = requireName(tool, 'type', `${path}.type`);
    if (type !== 'function') continue;
    const callee = requireObject(tool.function, `${path}.function`);
    requireName(callee, 'name', `${path}.function.name`);
    if (!isAbsent(callee.parameters)) requireObject(callee.parameters, `${path}.function.parameters`);
  }
}

function checkToolChoice(body: JsonObject): void {
  const choice = body.tool_choice;
  if (isAbsent(choice)) return;
  if (typeof choice === 'string') {
    if (!['none', 'auto', 'required'].includes(choice)) {
      throw invalid('tool_choice', 'must be none, auto, required or an object that names a function.');
    }
    return;
  }
  const named = requireObject(choice, 'tool_choice');
  if (named.type === 'function') {
    requireName(requireObject(named.function, 'tool_choice.function'), 'name', 'tool_choice.function.name');
  }
}

function checkResponseFormat(body: JsonObject): void {
  const format = optionalObject(body, 'response_format');
  if (format === undefined) return;
  const type = requireName(format, 'type', 'response_format.type');
  if (type !== 'json_schema') return;
  const schema = requireObject(format.json_schema, 'response_format.json_schema');
  if (!isAbsent(schema.schema)) requireObject(schema.schema, 'response_format.json_schema.schema');
}
