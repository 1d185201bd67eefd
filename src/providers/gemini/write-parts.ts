/** Content parts of canonical chat as Gemini parts. */
import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import { cannotCarry } from '../conversion-warnings.ts';
import { parseDataUrl } from '../data-url.ts';
import { nameOf, objectAt, stringAt } from '../read-json.ts';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  pdf: 'application/pdf',
};
const FALLBACK_IMAGE_TYPE = 'image/jpeg';

export function writeParts(content: Json | undefined, path: string): JsonObject[] {
  if (typeof content === 'string') return content === '' ? [] : [{ text: content }];
  if (!Array.isArray(content)) return [];
  return content.flatMap((part, index) => (isJsonObject(part) ? writePart(part, `${path}[${String(index)}]`) : []));
}

function writePart(part: JsonObject, path: string): JsonObject[] {
  switch (part.type) {
    case 'text':
      return writeParts(part.text, path);
    case 'refusal':
      return writeParts(part.refusal, path);
    case 'image_url':
      return [writeImage(stringAt(objectAt(part, 'image_url'), 'url') ?? '', path)];
    case 'input_audio': {
      const audio = objectAt(part, 'input_audio');
      return [
        {
          inlineData: { mimeType: `audio/${stringAt(audio, 'format') ?? 'wav'}`, data: stringAt(audio, 'data') ?? '' },
        },
      ];
    }
    case 'file': {
      const inline = parseDataUrl(stringAt(objectAt(part, 'file'), 'file_data') ?? '');
      if (inline === null) throw cannotCarry(path, 'a file that is not inline base64 data');
      return [{ inlineData: { mimeType: inline.mediaType, data: inline.data } }];
    }
    default:
      throw cannotCarry(path, `a content part of type ${nameOf(part.type)}`);
  }
}

function writeImage(url: string, path: string): JsonObject {
  const inline = parseDataUrl(url);
  if (inline !== null) return { inlineData: { mimeType: inline.mediaType, data: inline.data } };
  if (!URL.canParse(url) || url.startsWith('data:')) {
    throw cannotCarry(`${path}.image_url.url`, 'an image that is neither a base64 data URL nor a URL', 'vision');
  }
  const extension = new URL(url).pathname.split('.').at(-1)?.toLowerCase() ?? '';
  const mimeType = (Object.hasOwn(MEDIA_TYPES, extension) ? MEDIA_TYPES[extension] : undefined) ?? FALLBACK_IMAGE_TYPE;
  return { fileData: { fileUri: url, mimeType } };
}
