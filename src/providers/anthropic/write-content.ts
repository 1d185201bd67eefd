/** Content parts of canonical chat as Anthropic content blocks. */
import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import { cannotCarry } from '../conversion-warnings.ts';
import { parseDataUrl } from '../data-url.ts';
import { nameOf, objectAt, stringAt } from '../read-json.ts';

/** Anthropic refuses empty text blocks, so they are left out. */
export function writeContent(content: Json | undefined, path: string): JsonObject[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  if (!Array.isArray(content)) return [];
  return content.flatMap((part, index) => (isJsonObject(part) ? writePart(part, `${path}[${String(index)}]`) : []));
}

function writePart(part: JsonObject, path: string): JsonObject[] {
  switch (part.type) {
    case 'text': {
      const text = stringAt(part, 'text') ?? '';
      return text === '' ? [] : [{ type: 'text', text, ...cacheControl(part) }];
    }
    case 'refusal': {
      const text = stringAt(part, 'refusal') ?? '';
      return text === '' ? [] : [{ type: 'text', text }];
    }
    case 'image_url':
      return [
        {
          type: 'image',
          source: imageSource(stringAt(objectAt(part, 'image_url'), 'url') ?? '', path),
          ...cacheControl(part),
        },
      ];
    case 'file':
      return [writeFile(part, path)];
    case 'input_audio':
      throw cannotCarry(path, 'audio', 'audio-in');
    default:
      throw cannotCarry(path, `a content part of type ${nameOf(part.type)}`);
  }
}

/** Prompt-caching marks pass as OpenRouter and LiteLLM let them: on the content part. */
function cacheControl(part: JsonObject): JsonObject {
  return isJsonObject(part.cache_control) ? { cache_control: part.cache_control } : {};
}

function imageSource(url: string, path: string): JsonObject {
  const inline = parseDataUrl(url);
  if (inline !== null) return { type: 'base64', media_type: inline.mediaType, data: inline.data };
  if (url.startsWith('https://') || url.startsWith('http://')) return { type: 'url', url };
  throw cannotCarry(`${path}.image_url.url`, 'an image that is neither a base64 data URL nor an https URL', 'vision');
}

function writeFile(part: JsonObject, path: string): JsonObject {
  const file = objectAt(part, 'file');
  const inline = parseDataUrl(stringAt(file, 'file_data') ?? '');
  if (inline === null) throw cannotCarry(path, 'a file that is not inline base64 data');
  const title = stringAt(file, 'filename');
  return {
    type: 'document',
    source: { type: 'base64', media_type: inline.mediaType, data: inline.data },
    ...(title !== undefined && { title }),
  };
}
