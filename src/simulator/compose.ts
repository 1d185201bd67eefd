/** What the simulator says: a function of the request alone, so that the same request always gets the same answer. */
import { createHash } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import type { Behaviour } from './behaviour.ts';

export interface Composition {
  id: string;
  text: string;
  reasoning: string;
  toolCalls: { id: string; name: string; arguments: string }[];
  promptTokens: number;
  textTokens: number;
  reasoningTokens: number;
}

const LABEL = '[simulated]';
const WORDS = 'a durable call keeps its promise even when the process that made it is gone and back again'.split(' ');
const CHARACTERS_PER_TOKEN = 4;

export function compose(body: JsonObject, behaviour: Behaviour): Composition {
  const content = JSON.stringify(body['messages'] ?? body['contents'] ?? body['input'] ?? null);
  const digest = createHash('sha256').update(content).digest('hex');
  const toolCalls = callTools(body, digest);
  const text = toolCalls.length > 0 ? '' : answerText(body, behaviour.words);
  const reasoning = words(behaviour.reasoning);
  return {
    id: `sim-${digest.slice(0, 24)}`,
    text,
    reasoning,
    toolCalls,
    promptTokens: tokensIn(content),
    textTokens: tokensIn(text) + toolCalls.reduce((sum, call) => sum + tokensIn(call.arguments), 0),
    reasoningTokens: tokensIn(reasoning),
  };
}

export function tokensIn(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

/** Text in the pieces that a stream sends it in. */
export function pieces(text: string): string[] {
  return text.match(/\S+\s*/g) ?? [];
}

/** A unit vector made of the text's digest. */
export function embed(text: string, dimensions: number): number[] {
  const values = Array.from({ length: dimensions }, (_, index) => {
    const digest = createHash('sha256')
      .update(`${String(index >> 5)}:${text}`)
      .digest();
    return (digest[index & 31] ?? 0) - 127.5;
  });
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
}

function answerText(body: JsonObject, count: number): string {
  const format = body['response_format'];
  const schema =
    isJsonObject(format) && isJsonObject(format['json_schema']) ? format['json_schema']['schema'] : undefined;
  if (isJsonObject(schema)) return JSON.stringify(sample(schema));
  return `${LABEL} ${words(count)}`;
}

function words(count: number): string {
  return Array.from({ length: count }, (_, index) => WORDS[index % WORDS.length]).join(' ');
}

/** Calls every offered tool once, unless the conversation already has a tool's result. */
function callTools(body: JsonObject, digest: string): Composition['toolCalls'] {
  const tools = toolDefinitions(body['tools']);
  const messages = Array.isArray(body['messages']) ? body['messages'].filter(isJsonObject) : [];
  if (tools.length === 0 || body['tool_choice'] === 'none' || messages.some(({ role }) => role === 'tool')) return [];
  return tools.flatMap((definition, index) => {
    const parameters = definition['parameters'] ?? definition['parametersJsonSchema'] ?? definition['input_schema'];
    if (typeof definition['name'] !== 'string') return [];
    return {
      id: `call_${digest.slice(0, 16)}_${String(index)}`,
      name: definition['name'],
      arguments: JSON.stringify(isJsonObject(parameters) ? sample(parameters) : {}),
    };
  });
}

/** OpenAI's tools hold a `function`, Gemini's a list of `functionDeclarations`, Anthropic's are the definition. */
function toolDefinitions(tools: Json | undefined): JsonObject[] {
  return (Array.isArray(tools) ? tools.filter(isJsonObject) : []).flatMap((tool) => {
    if (isJsonObject(tool['function'])) return [tool['function']];
    const declared = tool['functionDeclarations'];
    return Array.isArray(declared) ? declared.filter(isJsonObject) : [tool];
  });
}

/** The simplest value that a JSON schema allows. */
function sample(schema: JsonObject): Json {
  const first = Array.isArray(schema['enum']) ? schema['enum'][0] : schema['const'];
  if (first !== undefined) return first;
  const type = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  // Gemini writes its types in capitals.
  switch (typeof type === 'string' ? type.toLowerCase() : type) {
    case 'object': {
      const properties = isJsonObject(schema['properties']) ? schema['properties'] : {};
      return Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, isJsonObject(property) ? sample(property) : null]),
      );
    }
    case 'array':
      return [isJsonObject(schema['items']) ? sample(schema['items']) : null];
    case 'string':
      return 'simulated';
    case 'integer':
    case 'number':
      return 1;
    case 'boolean':
      return true;
    default:
      return null;
  }
}
