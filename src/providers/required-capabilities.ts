/** What a canonical request needs a model to be able to do. */
import type { Json, JsonObject } from '../core/json.ts';
import { isJsonObject } from '../core/json.ts';
import type { Capability } from '../core/ports/provider.ts';
import { numberAt, objectAt, objectsAt } from './read-json.ts';

const CAPABILITY_BY_PART: Readonly<Record<string, Capability>> = { image_url: 'vision', input_audio: 'audio-in' };

/**
 * @param stream whether the answer is to be streamed, where the body does not say it
 * @example requiredCapabilities({ model: 'm', messages: [...], n: 2 }) // Set { 'chat', 'multiple-choices' }
 */
export function requiredCapabilities(request: JsonObject, stream = request.stream === true): Set<Capability> {
  if (request.messages === undefined) return new Set(['embeddings']);
  const needed = new Set<Capability>(['chat']);
  if (stream) needed.add('streaming');
  if (hasAny(request.tools) || hasAny(request.functions)) needed.add('tools');
  if (request.parallel_tool_calls === true && hasAny(request.tools)) needed.add('parallel-tools');
  if (objectAt(request, 'response_format')?.type === 'json_schema') needed.add('json-schema');
  if (typeof request.reasoning_effort === 'string' && request.reasoning_effort !== 'none') needed.add('reasoning');
  if ((numberAt(request, 'n') ?? 1) > 1) needed.add('multiple-choices');
  if (Array.isArray(request.modalities) && request.modalities.includes('audio')) needed.add('audio-out');
  for (const message of objectsAt(request, 'messages')) addContentNeeds(message.content, needed);
  return needed;
}

function addContentNeeds(content: Json | undefined, needed: Set<Capability>): void {
  if (!Array.isArray(content)) return;
  for (const part of content) {
    const type = isJsonObject(part) ? part.type : undefined;
    const capability =
      typeof type === 'string' && Object.hasOwn(CAPABILITY_BY_PART, type) ? CAPABILITY_BY_PART[type] : undefined;
    if (capability !== undefined) needed.add(capability);
  }
}

function hasAny(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0;
}
