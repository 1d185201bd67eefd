/** A request for `POST /responses` in background mode, made of canonical chat. */
import { HoldfastError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { EncodedRequest, EncodeInput } from '../../../core/ports/provider.ts';
import { cannotCarry, createLosses, warnUnread, type Losses } from '../../conversion-warnings.ts';
import { numberAt, objectAt, objectsAt } from '../../read-json.ts';
import { toCanonical } from '../../to-canonical.ts';
import { refuseEmbeddings } from '../encode-request.ts';
import { EVENT_STREAM, responseHeaders } from './response-headers.ts';
import { writeInput } from './write-input.ts';

/** Fields that mean the same on both of OpenAI's wires. */
const SAME = [
  'metadata',
  'parallel_tool_calls',
  'prompt_cache_key',
  'safety_identifier',
  'service_tier',
  'temperature',
  'top_logprobs',
  'top_p',
  'user',
] as const;
const READ = new Set([
  ...SAME,
  'max_completion_tokens',
  'max_tokens',
  'messages',
  'model',
  'n',
  'reasoning_effort',
  'response_format',
  'store',
  'stream',
  'stream_options',
  'tool_choice',
  'tools',
  'verbosity',
]);

/** @throws HoldfastError `capability_missing` for what the Responses API cannot be asked. */
export function encodeStart(input: EncodeInput): EncodedRequest {
  refuseEmbeddings(input, 'openai in background mode');
  const { request: canonical, warnings } = toCanonical(input.request);
  const losses = createLosses();
  const { messages, tools } = carried(canonical, losses);
  warnUnread(canonical, READ, losses);
  const maxOutput = input.request.outputBound ?? canonical.max_completion_tokens ?? canonical.max_tokens;
  const text = writeText(canonical);
  const body: JsonObject = {
    model: input.model,
    input: messages,
    // A provider that does not keep the answer could not be asked for it.
    background: true,
    store: true,
    // Only what was begun as a stream can be asked for as one later.
    ...(input.request.stream && { stream: true }),
    ...Object.fromEntries(SAME.flatMap((key) => (canonical[key] == null ? [] : [[key, canonical[key]]]))),
    ...(maxOutput != null && { max_output_tokens: maxOutput }),
    ...(canonical.reasoning_effort != null && { reasoning: { effort: canonical.reasoning_effort } }),
    ...(Object.keys(text).length > 0 && { text }),
    ...(canonical.tools !== undefined && { tools }),
    ...(canonical.tool_choice != null && { tool_choice: writeToolChoice(canonical) }),
  };
  return {
    url: `${input.baseUrl}/responses`,
    headers: responseHeaders(input, input.request.stream ? EVENT_STREAM : undefined),
    body: JSON.stringify(body),
    warnings: [...warnings, ...losses.warnings],
  };
}

export function carries(canonical: JsonObject): boolean {
  if (canonical.messages === undefined) return false;
  try {
    carried(canonical, createLosses());
    return true;
  } catch (error) {
    if (HoldfastError.is(error)) return false;
    throw error;
  }
}

/** What may not be carried, in its new form. */
function carried(canonical: JsonObject, losses: Losses): { messages: JsonObject[]; tools: JsonObject[] } {
  if ((numberAt(canonical, 'n') ?? 1) > 1) throw cannotCarry('n', 'a request for several choices', 'multiple-choices');
  if (canonical.functions !== undefined) throw cannotCarry('functions', 'the deprecated functions', 'tools');
  if (canonical.store === false) {
    throw cannotCarry('store', 'a request whose answer must not be stored, in the background,', 'background');
  }
  return { messages: writeInput(canonical, losses), tools: writeTools(canonical) };
}

function writeText(canonical: JsonObject): JsonObject {
  const format = objectAt(canonical, 'response_format');
  const schema = objectAt(format, 'json_schema');
  return {
    ...(format !== undefined && { format: schema === undefined ? format : { type: 'json_schema', ...schema } }),
    ...(canonical.verbosity != null && { verbosity: canonical.verbosity }),
  };
}

function writeTools(canonical: JsonObject): JsonObject[] {
  return objectsAt(canonical, 'tools').map((tool, index) => {
    const definition = objectAt(tool, 'function');
    if (definition === undefined) throw cannotCarry(`tools[${String(index)}]`, 'a custom tool', 'tools');
    return { type: 'function', strict: false, ...definition };
  });
}

/** `{type, function: {name}}` loses a level; the words `auto`, `none`, `required` are the same. */
function writeToolChoice(canonical: JsonObject): JsonObject[string] {
  const choice = objectAt(canonical, 'tool_choice');
  const callee = objectAt(choice, 'function');
  return callee === undefined ? (canonical.tool_choice ?? null) : { type: 'function', ...callee };
}
