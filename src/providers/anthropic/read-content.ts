/** Anthropic content blocks of a request as canonical content parts. */
import type { JsonObject } from '../../core/json.ts';
import type { Losses } from '../conversion-warnings.ts';
import { cannotCarry } from '../conversion-warnings.ts';
import { toDataUrl } from '../data-url.ts';
import { nameOf, objectAt, objectsAt, stringAt } from '../read-json.ts';

/** Content of a message or of a tool result: text stays text, blocks become parts. */
export function readContent(source: JsonObject, path: string, losses: Losses): JsonObject[] {
  const content = source.content;
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return blocksOf(source).flatMap((block, index) => readBlock(block, `${path}[${String(index)}]`, losses));
}

export function blocksOf(source: JsonObject): JsonObject[] {
  return objectsAt(source, 'content');
}

export function readBlock(block: JsonObject, path: string, losses: Losses): JsonObject[] {
  if (block.cache_control)
    losses.warn(`${path}.cache_control`, 'Marks for prompt caching are not sent to this provider.');
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: stringAt(block, 'text') ?? '' }];
    case 'image':
      return [{ type: 'image_url', image_url: { url: sourceUrl(block, path) } }];
    case 'document':
      return [readDocument(block, path)];
    case 'search_result':
      return readContent(block, `${path}.content`, losses);
    default:
      throw cannotCarry(path, `a content block of type ${nameOf(block.type)}`);
  }
}

function sourceUrl(block: JsonObject, path: string): string {
  const source = objectAt(block, 'source');
  if (source?.type === 'url') return stringAt(source, 'url') ?? '';
  if (source?.type === 'base64') {
    return toDataUrl({ mediaType: stringAt(source, 'media_type') ?? '', data: stringAt(source, 'data') ?? '' });
  }
  throw cannotCarry(`${path}.source`, `a source of type ${nameOf(source?.type)}`);
}

function readDocument(block: JsonObject, path: string): JsonObject {
  const source = objectAt(block, 'source');
  if (source?.type === 'text') return { type: 'text', text: stringAt(source, 'data') ?? '' };
  if (source?.type !== 'base64')
    throw cannotCarry(`${path}.source`, `a document source of type ${nameOf(source?.type)}`);
  return {
    type: 'file',
    file: { filename: stringAt(block, 'title') ?? 'document.pdf', file_data: sourceUrl(block, path) },
  };
}

/** Parts that are all text as one string, the form that every server takes. */
export function simplestContent(parts: JsonObject[]): string | JsonObject[] {
  const texts = parts.map((part) => (part.type === 'text' ? stringAt(part, 'text') : undefined));
  return texts.every((text) => text !== undefined) ? texts.join('\n\n') : parts;
}
