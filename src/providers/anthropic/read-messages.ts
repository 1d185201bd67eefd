/** Anthropic turns as canonical messages: tool results become messages of their own, before what the user says. */
import type { JsonObject } from '../../core/json.ts';
import type { Losses } from '../conversion-warnings.ts';
import { cannotCarry } from '../conversion-warnings.ts';
import { nameOf, objectsAt, stringAt } from '../read-json.ts';
import { readSignature } from './decode-answer.ts';
import { blocksOf, readBlock, readContent, simplestContent } from './read-content.ts';

export function readMessages(body: JsonObject, losses: Losses): JsonObject[] {
  const system = readContent({ content: body.system }, 'system', losses);
  const messages: JsonObject[] = system.length > 0 ? [{ role: 'system', content: simplestContent(system) }] : [];
  for (const [index, turn] of objectsAt(body, 'messages').entries()) {
    const path = `messages[${String(index)}]`;
    if (turn.role === 'assistant') messages.push(readAssistant(turn, path, losses));
    else if (turn.role === 'system') {
      messages.push({ role: 'system', content: simplestContent(readContent(turn, `${path}.content`, losses)) });
    } else messages.push(...readUser(turn, path, losses));
  }
  return messages;
}

function readUser(turn: JsonObject, path: string, losses: Losses): JsonObject[] {
  if (typeof turn.content === 'string') return [{ role: 'user', content: turn.content }];
  const results: JsonObject[] = [];
  const said: JsonObject[] = [];
  for (const [index, block] of blocksOf(turn).entries()) {
    const at = `${path}.content[${String(index)}]`;
    if (block.type !== 'tool_result') {
      said.push(...readBlock(block, at, losses));
      continue;
    }
    if (block.is_error === true) losses.warn(`${at}.is_error`, 'Only the text of the result says that it is an error.');
    const parts = readContent(block, `${at}.content`, losses);
    // Tool messages hold text only: what else a tool gave follows as if the user had sent it.
    const others = parts.filter((part) => part.type !== 'text');
    const texts = parts.filter((part) => part.type === 'text');
    results.push({
      role: 'tool',
      tool_call_id: stringAt(block, 'tool_use_id') ?? '',
      content: simplestContent(texts),
    });
    said.push(...others);
  }
  if (said.length > 0) results.push({ role: 'user', content: simplestContent(said) });
  return results;
}

function readAssistant(turn: JsonObject, path: string, losses: Losses): JsonObject {
  if (typeof turn.content === 'string') return { role: 'assistant', content: turn.content };
  const texts: string[] = [];
  const calls: JsonObject[] = [];
  const thoughts: string[] = [];
  for (const [index, block] of blocksOf(turn).entries()) {
    const at = `${path}.content[${String(index)}]`;
    switch (block.type) {
      case 'text':
        texts.push(stringAt(block, 'text') ?? '');
        break;
      case 'thinking':
        thoughts.push(stringAt(block, 'thinking') ?? '');
        break;
      case 'redacted_thinking':
        losses.warn(at, 'Encrypted thinking means nothing to another provider; it was not sent.');
        break;
      case 'tool_use':
        calls.push({
          id: stringAt(block, 'id') ?? '',
          type: 'function',
          function: { name: stringAt(block, 'name') ?? '', arguments: JSON.stringify(block.input ?? {}) },
        });
        break;
      default:
        throw cannotCarry(at, `a content block of type ${nameOf(block.type)}`);
    }
  }
  const signature = readSignature(blocksOf(turn));
  return {
    role: 'assistant',
    content: texts.length > 0 ? texts.join('') : null,
    ...(thoughts.length > 0 && { reasoning_content: thoughts.join('') }),
    ...(signature !== null && { reasoning_signature: signature }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}
