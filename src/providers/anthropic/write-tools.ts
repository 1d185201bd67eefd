/** Tools and tool choice of canonical chat in Anthropic's wire. */
import type { JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import { cannotCarry } from '../conversion-warnings.ts';
import { nameOf, objectAt, objectsAt, stringAt } from '../read-json.ts';

export function writeTools(request: JsonObject): JsonObject {
  const tools = objectsAt(request, 'tools').map((tool, index) => writeTool(tool, `tools[${String(index)}]`));
  if (tools.length === 0) return {};
  const choice = writeToolChoice(request);
  return { tools, ...(choice !== undefined && { tool_choice: choice }) };
}

/** True when the model must call a tool: Anthropic does not combine that with thinking. */
export function isToolForced(request: JsonObject): boolean {
  return request.tool_choice === 'required' || isJsonObject(request.tool_choice);
}

function writeTool(tool: JsonObject, path: string): JsonObject {
  const callee = objectAt(tool, 'function');
  if (callee === undefined) throw cannotCarry(path, `a tool of type ${nameOf(tool.type)}`, 'tools');
  const description = stringAt(callee, 'description');
  return {
    name: stringAt(callee, 'name') ?? '',
    ...(description !== undefined && { description }),
    input_schema: { type: 'object', ...(objectAt(callee, 'parameters') ?? { properties: {} }) },
    ...(callee.strict === true && { strict: true }),
    ...(isJsonObject(tool.cache_control) && { cache_control: tool.cache_control }),
  };
}

function writeToolChoice(request: JsonObject): JsonObject | undefined {
  const oneAtATime = request.parallel_tool_calls === false ? { disable_parallel_tool_use: true } : {};
  const choice = request.tool_choice;
  if (choice === 'none') return { type: 'none' };
  if (choice === 'required') return { type: 'any', ...oneAtATime };
  if (isJsonObject(choice)) {
    const name = stringAt(objectAt(choice, 'function'), 'name');
    if (name === undefined) throw cannotCarry('tool_choice', `a tool choice of type ${nameOf(choice.type)}`, 'tools');
    return { type: 'tool', name, ...oneAtATime };
  }
  return choice === 'auto' || request.parallel_tool_calls === false ? { type: 'auto', ...oneAtATime } : undefined;
}
