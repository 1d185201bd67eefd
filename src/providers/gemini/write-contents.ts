/** Canonical messages as Gemini contents: system apart, tool results as function responses, neighbours of one role joined. */
import type { JsonObject } from '../../core/json.ts';
import type { Losses } from '../conversion-warnings.ts';
import { cannotCarry } from '../conversion-warnings.ts';
import { readCallSignature, readText } from '../openai/read-message.ts';
import { nameOf, objectAt, objectsAt, parseJsonObject, stringAt } from '../read-json.ts';
import { signatureFor } from '../reasoning-signature.ts';
import { argumentsObject, readArguments } from '../tool-arguments.ts';
import { writeParts } from './write-parts.ts';

/**
 * Gemini 3 refuses a function call in the history without the signature it came with. For calls that another provider
 * made, Google documents this value: ai.google.dev/gemini-api/docs/thought-signatures.
 */
const FOREIGN_CALL_SIGNATURE = 'skip_thought_signature_validator';

export interface GeminiContents {
  systemParts: JsonObject[];
  contents: JsonObject[];
}

interface Turn {
  role: 'user' | 'model';
  parts: JsonObject[];
}

export function writeContents(request: JsonObject, needsSignatures: boolean, losses: Losses): GeminiContents {
  const systemParts: JsonObject[] = [];
  const turns: Turn[] = [];
  const callNames = new Map<string, string>();

  function add(role: Turn['role'], parts: JsonObject[]): void {
    if (parts.length === 0) return;
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts: [...parts] });
  }

  function writeAssistant(message: JsonObject, path: string): JsonObject[] {
    const parts = writeParts(message.content, `${path}.content`);
    const signature = signatureFor('gemini', stringAt(message, 'reasoning_signature'));
    const last = parts.at(-1);
    if (signature !== undefined && last !== undefined) last.thoughtSignature = signature;
    parts.push(...writeParts(message.refusal, path));
    for (const [index, call] of objectsAt(message, 'tool_calls').entries()) {
      const at = `${path}.tool_calls[${String(index)}]`;
      const callee = objectAt(call, 'function');
      if (callee === undefined) throw cannotCarry(at, 'a call of a custom tool', 'tools');
      const id = stringAt(call, 'id') ?? '';
      const name = stringAt(callee, 'name') ?? '';
      const text = stringAt(callee, 'arguments') ?? '';
      if (readArguments(text) === null)
        losses.warn(`${at}.function.arguments`, 'Not a JSON object; sent as `{"invalid_json": ...}`.');
      callNames.set(id, name);
      // Of parallel calls only the first carries a signature.
      const thoughtSignature =
        readCallSignature(call) ?? (needsSignatures && index === 0 ? FOREIGN_CALL_SIGNATURE : undefined);
      parts.push({
        functionCall: { id, name, args: argumentsObject(text) },
        ...(thoughtSignature !== undefined && { thoughtSignature }),
      });
    }
    return parts;
  }

  function writeResult(message: JsonObject, path: string): JsonObject {
    const id = stringAt(message, 'tool_call_id') ?? '';
    const name = callNames.get(id);
    if (name === undefined)
      throw cannotCarry(`${path}.tool_call_id`, 'the result of a call that is not in the conversation', 'tools');
    const text = readText(message.content) ?? '';
    return { functionResponse: { id, name, response: parseJsonObject(text) ?? { result: text } } };
  }

  for (const [index, message] of objectsAt(request, 'messages').entries()) {
    const path = `messages[${String(index)}]`;
    if (message.name !== undefined) losses.warn(`${path}.name`, 'Gemini has no names of participants.');
    switch (message.role) {
      case 'system':
      case 'developer':
        if (turns.length > 0) losses.warn(path, 'A system message inside the conversation was moved to its start.');
        systemParts.push(...writeParts(message.content, `${path}.content`));
        break;
      case 'user':
        add('user', writeParts(message.content, `${path}.content`));
        break;
      case 'assistant':
        add('model', writeAssistant(message, path));
        break;
      case 'tool':
        add('user', [writeResult(message, path)]);
        break;
      default:
        throw cannotCarry(`${path}.role`, `a message of role ${nameOf(message.role)}`);
    }
  }
  return { systemParts, contents: turns.map(({ role, parts }) => ({ role, parts })) };
}
