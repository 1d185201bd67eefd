/** A request for Anthropic's Messages API: its own wire untouched but for `model`, others converted. */
import type { Json, JsonObject } from '../../core/json.ts';
import type { EncodedRequest, EncodeInput } from '../../core/ports/provider.ts';
import { modelCapabilities } from '../capabilities.ts';
import type { Losses } from '../conversion-warnings.ts';
import { cannotCarry, createLosses, requireTextOut, warnUnread } from '../conversion-warnings.ts';
import { refuseEmbeddings } from '../openai/encode-request.ts';
import { numberAt, objectAt, stringAt } from '../read-json.ts';
import { requestHeaders } from '../request-headers.ts';
import { toCanonical } from '../to-canonical.ts';
import { modelGeneration } from './model-generation.ts';
import { writeMessages } from './write-messages.ts';
import { writeThinking } from './write-thinking.ts';
import { writeTools } from './write-tools.ts';

/**
 * 2026-10-21 only takes inputs away (sampling parameters above all), so bodies written for either version are good under
 * the older one. The configuration's headers may name another.
 */
const API_VERSION = '2023-06-01';
const FIRST_VERSION_WITHOUT_SAMPLING = '2026-10-21';
/** Anthropic demands `max_tokens`: for models whose limit is not known, what every Claude since 3.5 can give. */
const DEFAULT_MAX_TOKENS = 8_192;

export function encodeAnthropicRequest(input: EncodeInput): EncodedRequest {
  refuseEmbeddings(input, 'anthropic');
  const { request, model, baseUrl, secret } = input;
  const headers = requestHeaders(input, 'anthropic-messages', {
    'anthropic-version': API_VERSION,
    ...(secret !== undefined && { 'x-api-key': secret }),
  });
  const url = `${baseUrl}/v1/messages`;
  if (request.wire === 'anthropic-messages') {
    const { stream: _asked, ...body } = request.body;
    return {
      url,
      headers,
      body: JSON.stringify({ ...body, model, ...(request.stream && { stream: true }) }),
      warnings: [],
    };
  }
  const losses = createLosses();
  const canonical = toCanonical(request);
  const takesSampling =
    modelGeneration(model).takesSampling && (headers['anthropic-version'] ?? '') < FIRST_VERSION_WITHOUT_SAMPLING;
  const body = writeRequest(canonical.request, model, takesSampling, losses);
  return {
    url,
    headers,
    body: JSON.stringify({ ...body, ...(request.stream && { stream: true }) }),
    warnings: [...canonical.warnings, ...losses.warnings],
  };
}

function writeRequest(request: JsonObject, model: string, takesSampling: boolean, losses: Losses): JsonObject {
  if ((numberAt(request, 'n') ?? 1) > 1) throw cannotCarry('n', 'more than one choice', 'multiple-choices');
  requireTextOut(request);
  const { system, messages } = writeMessages(request, losses);
  const maxTokens = writeMaxTokens(request, model, losses);
  const { thinking, effort } = writeThinking(request, model, maxTokens, losses);
  const format = writeFormat(request, losses);
  const user = stringAt(request, 'user') ?? stringAt(request, 'safety_identifier');
  warnUnread(request, READ_FIELDS, losses);
  return {
    model,
    max_tokens: maxTokens,
    ...(system.length > 0 && { system }),
    messages,
    ...writeTools(request),
    ...writeSampling(request, takesSampling, thinking !== undefined, losses),
    ...writeStop(request, losses),
    ...(thinking !== undefined && { thinking }),
    ...((effort !== undefined || format !== undefined) && {
      output_config: { ...(effort !== undefined && { effort }), ...(format !== undefined && { format }) },
    }),
    ...(user !== undefined && { metadata: { user_id: user } }),
  };
}

function writeMaxTokens(request: JsonObject, model: string, losses: Losses): number {
  const most = modelCapabilities('anthropic', model).maxOutputTokens;
  const field = numberAt(request, 'max_completion_tokens') === undefined ? 'max_tokens' : 'max_completion_tokens';
  const asked = numberAt(request, field);
  if (asked === undefined) return most ?? DEFAULT_MAX_TOKENS;
  if (most === undefined || asked <= most) return asked;
  losses.warn(field, `${model} gives at most ${String(most)} tokens; the limit was lowered to that.`);
  return most;
}

function writeSampling(request: JsonObject, takesSampling: boolean, isThinking: boolean, losses: Losses): JsonObject {
  const temperature = numberAt(request, 'temperature');
  const topP = numberAt(request, 'top_p');
  if (!takesSampling || isThinking) {
    const why = isThinking
      ? 'Not combined with thinking; not sent.'
      : 'This model takes no sampling parameters; not sent.';
    if (temperature !== undefined) losses.warn('temperature', why);
    if (topP !== undefined) losses.warn('top_p', why);
    return {};
  }
  if (temperature === undefined) return topP === undefined ? {} : { top_p: topP };
  if (topP !== undefined) losses.warn('top_p', 'Anthropic takes temperature or top_p; only temperature was sent.');
  if (temperature > 1) losses.warn('temperature', 'Anthropic takes 0 to 1; 1 was sent.');
  return { temperature: Math.min(temperature, 1) };
}

function writeStop(request: JsonObject, losses: Losses): JsonObject {
  const stop: Json[] =
    typeof request.stop === 'string' ? [request.stop] : Array.isArray(request.stop) ? request.stop : [];
  const sequences = stop.filter((sequence) => typeof sequence === 'string' && sequence.trim() !== '');
  if (sequences.length < stop.length) losses.warn('stop', 'Anthropic takes no stop sequences of white space alone.');
  return sequences.length === 0 ? {} : { stop_sequences: sequences };
}

function writeFormat(request: JsonObject, losses: Losses): JsonObject | undefined {
  const format = objectAt(request, 'response_format');
  if (format?.type === 'json_schema') {
    return { type: 'json_schema', schema: objectAt(objectAt(format, 'json_schema'), 'schema') ?? { type: 'object' } };
  }
  if (format?.type === 'json_object') {
    losses.warn('response_format', 'Anthropic cannot enforce JSON without a schema; the prompt alone asks for it.');
  }
  return undefined;
}

const READ_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'n',
  'modalities',
  'max_tokens',
  'max_completion_tokens',
  'reasoning_effort',
  'response_format',
  'user',
  'safety_identifier',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'temperature',
  'top_p',
  'stop',
]);
