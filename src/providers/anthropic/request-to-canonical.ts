/** A request of Anthropic's Messages API as canonical chat. */
import type { ConversionWarning } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Losses } from '../conversion-warnings.ts';
import { createLosses, warnUnread } from '../conversion-warnings.ts';
import { nameOf, numberAt, objectAt, objectsAt, stringAt } from '../read-json.ts';
import { readMessages } from './read-messages.ts';

export function anthropicToCanonical(body: JsonObject): { request: JsonObject; warnings: ConversionWarning[] } {
  const losses = createLosses();
  const user = stringAt(objectAt(body, 'metadata'), 'user_id');
  const effort = readEffort(body);
  const format = objectAt(objectAt(body, 'output_config'), 'format') ?? objectAt(body, 'output_format');
  warnUnread(body, READ_FIELDS, losses);
  const request: JsonObject = {
    model: body.model,
    messages: readMessages(body, losses),
    ...(body.max_tokens !== undefined && { max_completion_tokens: body.max_tokens }),
    ...pick(body, 'temperature'),
    ...pick(body, 'top_p'),
    ...(Array.isArray(body.stop_sequences) && body.stop_sequences.length > 0 && { stop: body.stop_sequences }),
    ...readTools(body, losses),
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...(format?.type === 'json_schema' && {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: format.schema, strict: true } },
    }),
    ...(user !== undefined && { user }),
    ...(body.stream === true && { stream: true }),
  };
  return { request, warnings: losses.warnings };
}

function pick(body: JsonObject, field: string): JsonObject {
  const value = body[field];
  return value === undefined || value === null ? {} : { [field]: value };
}

function readTools(body: JsonObject, losses: Losses): JsonObject {
  const tools: JsonObject[] = [];
  for (const [index, tool] of objectsAt(body, 'tools').entries()) {
    const path = `tools[${String(index)}]`;
    if (tool.type !== undefined && tool.type !== null && tool.type !== 'custom') {
      losses.warn(path, `Anthropic's own tool ${nameOf(tool.type)} does not exist at this provider; it was not sent.`);
      continue;
    }
    if (tool.cache_control)
      losses.warn(`${path}.cache_control`, 'Marks for prompt caching are not sent to this provider.');
    const description = stringAt(tool, 'description');
    tools.push({
      type: 'function',
      function: {
        name: stringAt(tool, 'name') ?? '',
        ...(description !== undefined && { description }),
        parameters: objectAt(tool, 'input_schema') ?? { type: 'object', properties: {} },
        ...(tool.strict === true && { strict: true }),
      },
    });
  }
  if (tools.length === 0) return {};
  const choice = objectAt(body, 'tool_choice');
  return {
    tools,
    ...(choice !== undefined && { tool_choice: readToolChoice(choice) }),
    ...(choice?.disable_parallel_tool_use === true && { parallel_tool_calls: false }),
  };
}

function readToolChoice(choice: JsonObject): string | JsonObject {
  switch (choice.type) {
    case 'any':
      return 'required';
    case 'none':
      return 'none';
    case 'tool':
      return { type: 'function', function: { name: stringAt(choice, 'name') ?? '' } };
    default:
      return 'auto';
  }
}

/** Where the thresholds lie between the budgets that `reasoning_effort` turns into, so that both ways agree. */
function readEffort(body: JsonObject): string | undefined {
  const effort = stringAt(objectAt(body, 'output_config'), 'effort');
  const thinking = objectAt(body, 'thinking');
  if (thinking?.type === 'disabled') return 'none';
  if (thinking?.type === 'enabled') {
    const budget = numberAt(thinking, 'budget_tokens') ?? 0;
    return budget < 4_096 ? 'low' : budget < 12_288 ? 'medium' : 'high';
  }
  if (thinking === undefined) return effort;
  return effort ?? 'medium';
}

const READ_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'temperature',
  'top_p',
  'stop_sequences',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'metadata',
  'stream',
]);
