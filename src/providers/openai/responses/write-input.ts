/** Canonical messages as the input items of OpenAI's Responses API. */
import type { Json, JsonObject } from '../../../core/json.ts';
import { isJsonObject } from '../../../core/json.ts';
import type { Losses } from '../../conversion-warnings.ts';
import { cannotCarry } from '../../conversion-warnings.ts';
import { nameOf, objectAt, objectsAt, stringAt } from '../../read-json.ts';
import { readText } from '../read-message.ts';

export function writeInput(request: JsonObject, losses: Losses): JsonObject[] {
  return objectsAt(request, 'messages').flatMap((message, index) => {
    const path = `messages[${String(index)}]`;
    if (message.name !== undefined) losses.warn(`${path}.name`, 'The Responses API has no names of participants.');
    switch (message.role) {
      case 'system':
      case 'developer':
      case 'user':
        return [{ role: message.role, content: writeParts(message.content, `${path}.content`) }];
      case 'assistant':
        return writeAssistant(message, path, losses);
      case 'tool':
        return [writeToolResult(message)];
      default:
        throw cannotCarry(`${path}.role`, `a message of role ${nameOf(message.role)}`);
    }
  });
}

function writeAssistant(message: JsonObject, path: string, losses: Losses): JsonObject[] {
  if (message.reasoning_content !== undefined || message.reasoning_signature !== undefined) {
    losses.warn(path, 'Reasoning of earlier turns is not sent to this provider.');
  }
  const content: JsonObject[] = [];
  const text = readText(message.content);
  if (text) content.push({ type: 'output_text', text });
  const refusal = stringAt(message, 'refusal');
  if (refusal) content.push({ type: 'refusal', refusal });
  const calls = objectsAt(message, 'tool_calls').map((call, index) => {
    const callee = objectAt(call, 'function');
    if (callee === undefined) {
      throw cannotCarry(`${path}.tool_calls[${String(index)}]`, 'a call of a custom tool', 'tools');
    }
    return {
      type: 'function_call',
      call_id: stringAt(call, 'id') ?? '',
      name: stringAt(callee, 'name') ?? '',
      arguments: stringAt(callee, 'arguments') ?? '',
    };
  });
  return [...(content.length > 0 ? [{ role: 'assistant', content }] : []), ...calls];
}

function writeToolResult(message: JsonObject): JsonObject {
  return {
    type: 'function_call_output',
    call_id: stringAt(message, 'tool_call_id') ?? '',
    output: readText(message.content) ?? '',
  };
}

function writeParts(content: Json | undefined, path: string): Json {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part, index) => writePart(part, `${path}[${String(index)}]`));
}

function writePart(part: Json, path: string): JsonObject {
  if (!isJsonObject(part)) throw cannotCarry(path, 'a content part that is not an object');
  switch (part.type) {
    case 'text':
      return { type: 'input_text', text: stringAt(part, 'text') ?? '' };
    case 'image_url': {
      const image = objectAt(part, 'image_url');
      return { type: 'input_image', image_url: stringAt(image, 'url') ?? '', detail: image?.detail ?? 'auto' };
    }
    case 'file':
      return { type: 'input_file', ...objectAt(part, 'file') };
    default:
      throw cannotCarry(path, `a content part of type ${nameOf(part.type)} in the background`);
  }
}
