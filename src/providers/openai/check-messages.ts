/** The `messages` of a chat request: roles, contents and tool calls in the shapes that every provider needs. */
import type { Json, JsonObject } from '../../core/json.ts';
import { invalid, isAbsent, requireFilledArray, requireName, requireObject, requireString } from '../validate.ts';

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];

export function checkMessages(value: Json | undefined): JsonObject[] {
  return requireFilledArray(value, 'messages').map((element, index) => {
    const path = `messages[${String(index)}]`;
    const message = requireObject(element, path);
    checkMessage(message, path);
    return message;
  });
}

function checkMessage(message: JsonObject, path: string): void {
  const role = message.role;
  if (typeof role !== 'string' || !ROLES.includes(role)) {
    throw invalid(`${path}.role`, `must be one of: ${ROLES.join(', ')}.`);
  }
  if (role === 'tool') requireName(message, 'tool_call_id', `${path}.tool_call_id`);
  if (role === 'assistant' && !isAbsent(message.tool_calls)) checkToolCalls(message.tool_calls, `${path}.tool_calls`);
  checkContent(message.content, `${path}.content`, role === 'assistant' || role === 'function');
}

function checkContent(content: Json | undefined, path: string, mayBeAbsent: boolean): void {
  if (typeof content === 'string' || (mayBeAbsent && isAbsent(content))) return;
  if (!Array.isArray(content)) throw invalid(path, 'must be a string or an array of content parts.');
  if (content.length === 0) throw invalid(path, 'must not be empty.');
  for (const [index, element] of content.entries()) checkPart(element, `${path}[${String(index)}]`);
}

function checkPart(element: Json, path: string): void {
  const part = requireObject(element, path);
  const type = requireName(part, 'type', `${path}.type`);
  if (type === 'text') requireString(part, 'text', `${path}.text`);
  if (type === 'image_url') {
    requireName(requireObject(part.image_url, `${path}.image_url`), 'url', `${path}.image_url.url`);
  }
  if (type === 'input_audio') {
    const audio = requireObject(part.input_audio, `${path}.input_audio`);
    requireString(audio, 'data', `${path}.input_audio.data`);
  }
}

function checkToolCalls(value: Json | undefined, path: string): void {
  for (const [index, element] of requireFilledArray(value, path).entries()) {
    const at = `${path}[${String(index)}]`;
    const call = requireObject(element, at);
    requireString(call, 'id', `${at}.id`);
    if (call.type !== undefined && call.type !== 'function') continue;
    const callee = requireObject(call.function, `${at}.function`);
    requireName(callee, 'name', `${at}.function.name`);
    requireString(callee, 'arguments', `${at}.function.arguments`);
  }
}
