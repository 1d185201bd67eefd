/**
 * Canonical messages as Anthropic turns: system messages apart, tool results inside user turns and first in them,
 * neighbours of one role joined.
 */
import type { JsonObject } from '../../core/json.ts';
import type { Losses } from '../conversion-warnings.ts';
import { cannotCarry } from '../conversion-warnings.ts';
import { nameOf, objectAt, objectsAt, stringAt } from '../read-json.ts';
import { signatureFor } from '../reasoning-signature.ts';
import { argumentsObject, readArguments } from '../tool-arguments.ts';
import { writeContent } from './write-content.ts';

export interface AnthropicTurns {
  system: JsonObject[];
  messages: JsonObject[];
}

interface Turn {
  role: 'user' | 'assistant';
  content: JsonObject[];
}

export function writeMessages(request: JsonObject, losses: Losses): AnthropicTurns {
  const system: JsonObject[] = [];
  const turns: Turn[] = [];

  function add(role: Turn['role'], blocks: JsonObject[]): void {
    if (blocks.length === 0) return;
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else turns.push({ role, content: [...blocks] });
  }

  for (const [index, message] of objectsAt(request, 'messages').entries()) {
    const path = `messages[${String(index)}]`;
    if (message.name !== undefined) losses.warn(`${path}.name`, 'Anthropic has no names of participants.');
    switch (message.role) {
      case 'system':
      case 'developer':
        if (turns.length > 0) losses.warn(path, 'A system message inside the conversation was moved to its start.');
        system.push(...writeContent(message.content, `${path}.content`));
        break;
      case 'user':
        add('user', writeContent(message.content, `${path}.content`));
        break;
      case 'assistant':
        add('assistant', writeAssistant(message, path, losses));
        break;
      case 'tool':
        add('user', [writeToolResult(message, path)]);
        break;
      default:
        throw cannotCarry(`${path}.role`, `a message of role ${nameOf(message.role)}`);
    }
  }
  for (const turn of turns) if (turn.role === 'user') turn.content = toolResultsFirst(turn.content);
  return { system, messages: turns.map(({ role, content }) => ({ role, content })) };
}

function writeAssistant(message: JsonObject, path: string, losses: Losses): JsonObject[] {
  const blocks: JsonObject[] = [];
  const reasoning = stringAt(message, 'reasoning_content');
  const signature = signatureFor('anthropic', stringAt(message, 'reasoning_signature'));
  // Anthropic takes thinking back only with its own signature.
  if (signature) blocks.push({ type: 'thinking', thinking: reasoning ?? '', signature });
  else if (reasoning)
    losses.warn(`${path}.reasoning_content`, 'Reasoning without a signature of Anthropic is not sent.');

  blocks.push(...writeContent(message.content, `${path}.content`));
  const refusal = stringAt(message, 'refusal');
  if (refusal) blocks.push({ type: 'text', text: refusal });
  for (const [index, call] of objectsAt(message, 'tool_calls').entries()) {
    const at = `${path}.tool_calls[${String(index)}]`;
    const callee = objectAt(call, 'function');
    if (callee === undefined) throw cannotCarry(at, 'a call of a custom tool', 'tools');
    const text = stringAt(callee, 'arguments') ?? '';
    if (readArguments(text) === null)
      losses.warn(`${at}.function.arguments`, 'Not a JSON object; sent as `{"invalid_json": ...}`.');
    blocks.push({
      type: 'tool_use',
      id: toolUseId(stringAt(call, 'id') ?? ''),
      name: stringAt(callee, 'name') ?? '',
      input: argumentsObject(text),
    });
  }
  if (message.function_call !== undefined && message.function_call !== null) {
    throw cannotCarry(`${path}.function_call`, 'the deprecated function_call', 'tools');
  }
  return blocks;
}

function writeToolResult(message: JsonObject, path: string): JsonObject {
  const content =
    typeof message.content === 'string' ? message.content : writeContent(message.content, `${path}.content`);
  return { type: 'tool_result', tool_use_id: toolUseId(stringAt(message, 'tool_call_id') ?? ''), content };
}

/** Anthropic takes only these characters; call and result change alike, so they still match. */
function toolUseId(id: string): string {
  return id.replace(/[^A-Za-z0-9_-]/g, '_');
}

/** Text before a tool result is refused: results must follow the calls at once. */
function toolResultsFirst(content: readonly JsonObject[]): JsonObject[] {
  const isResult = (block: JsonObject) => block.type === 'tool_result';
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))];
}
