/** A request for Gemini's `generateContent`, converted from canonical chat. */
import { HoldfastError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { EncodedRequest, EncodeInput } from '../../core/ports/provider.ts';
import type { Losses } from '../conversion-warnings.ts';
import { cannotCarry, createLosses, requireTextOut, warnUnread } from '../conversion-warnings.ts';
import { refuseEmbeddings } from '../openai/encode-request.ts';
import { nameOf, numberAt, objectAt, objectsAt, stringAt } from '../read-json.ts';
import { requestHeaders } from '../request-headers.ts';
import { toCanonical } from '../to-canonical.ts';
import { writeContents } from './write-contents.ts';
import { geminiMajorVersion, writeThinkingConfig } from './write-thinking.ts';

export function encodeGeminiRequest(input: EncodeInput): EncodedRequest {
  refuseEmbeddings(input, 'gemini');
  const { request, model, secret } = input;
  const headers = requestHeaders(input, 'gemini-generate', secret === undefined ? {} : { 'x-goog-api-key': secret });
  const url = endpoint(input);
  if (request.wire === 'gemini-generate') {
    const { model: _named, ...body } = request.body;
    return { url, headers, body: JSON.stringify(body), warnings: [] };
  }
  const losses = createLosses();
  const canonical = toCanonical(request);
  const body = JSON.stringify(writeRequest(canonical.request, model, losses));
  return { url, headers, body, warnings: [...canonical.warnings, ...losses.warnings] };
}

/** The model stands in the path, and streaming is another method. A caller may name any model: it must not lead elsewhere. */
function endpoint({ request, model, baseUrl }: EncodeInput): string {
  const parts = model.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new HoldfastError('invalid_request', 'The model name is not one of Gemini.', { param: 'model' });
  }
  const name = parts.map((part) => encodeURIComponent(part)).join('/');
  const path = parts.length > 1 ? name : `models/${name}`;
  return `${baseUrl}/v1beta/${path}:${request.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`;
}

function writeRequest(request: JsonObject, model: string, losses: Losses): JsonObject {
  if ((numberAt(request, 'n') ?? 1) > 1) throw cannotCarry('n', 'more than one choice', 'multiple-choices');
  requireTextOut(request);
  const { systemParts, contents } = writeContents(request, geminiMajorVersion(model) >= 3, losses);
  const generationConfig = writeGenerationConfig(request, model, losses);
  const safetySettings = request.safety_settings ?? request.safetySettings;
  warnUnread(request, READ_FIELDS, losses);
  return {
    ...(systemParts.length > 0 && { systemInstruction: { parts: systemParts } }),
    contents,
    ...writeTools(request, losses),
    ...(Object.keys(generationConfig).length > 0 && { generationConfig }),
    ...(Array.isArray(safetySettings) && { safetySettings }),
  };
}

function writeTools(request: JsonObject, losses: Losses): JsonObject {
  const functionDeclarations = objectsAt(request, 'tools').map((tool, index) => {
    const callee = objectAt(tool, 'function');
    if (callee === undefined)
      throw cannotCarry(`tools[${String(index)}]`, `a tool of type ${nameOf(tool.type)}`, 'tools');
    const description = stringAt(callee, 'description');
    const parameters = objectAt(callee, 'parameters');
    return {
      name: stringAt(callee, 'name') ?? '',
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parametersJsonSchema: parameters }),
    };
  });
  if (functionDeclarations.length === 0) return {};
  if (request.parallel_tool_calls === false) {
    losses.warn('parallel_tool_calls', 'Gemini cannot be kept from calling several tools at once.');
  }
  const functionCallingConfig = writeCallingConfig(request);
  return {
    tools: [{ functionDeclarations }],
    ...(functionCallingConfig !== undefined && { toolConfig: { functionCallingConfig } }),
  };
}

function writeCallingConfig(request: JsonObject): JsonObject | undefined {
  const choice = request.tool_choice;
  if (choice === 'auto') return { mode: 'AUTO' };
  if (choice === 'none') return { mode: 'NONE' };
  if (choice === 'required') return { mode: 'ANY' };
  const named = objectAt(request, 'tool_choice');
  if (named === undefined) return undefined;
  const name = stringAt(objectAt(named, 'function'), 'name');
  if (name === undefined) throw cannotCarry('tool_choice', `a tool choice of type ${nameOf(named.type)}`, 'tools');
  return { mode: 'ANY', allowedFunctionNames: [name] };
}

function writeGenerationConfig(request: JsonObject, model: string, losses: Losses): JsonObject {
  const config: JsonObject = {};
  const set = (field: string, value: Json | undefined): void => {
    if (value !== undefined && value !== null) config[field] = value;
  };
  set('temperature', request.temperature);
  set('topP', request.top_p);
  set('maxOutputTokens', request.max_completion_tokens ?? request.max_tokens);
  set('stopSequences', typeof request.stop === 'string' ? [request.stop] : request.stop);
  set('presencePenalty', request.presence_penalty);
  set('frequencyPenalty', request.frequency_penalty);
  set('seed', request.seed);
  set('thinkingConfig', writeThinkingConfig(request, model, losses));

  const format = objectAt(request, 'response_format');
  if (format?.type === 'json_object' || format?.type === 'json_schema') set('responseMimeType', 'application/json');
  if (format?.type === 'json_schema') set('responseJsonSchema', objectAt(format, 'json_schema')?.schema);
  return config;
}

const READ_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'n',
  'modalities',
  'safety_settings',
  'safetySettings',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'temperature',
  'top_p',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'presence_penalty',
  'frequency_penalty',
  'seed',
  'reasoning_effort',
  'response_format',
]);
