import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { createLosses } from '../conversion-warnings.ts';
import { readContent, simplestContent } from './read-content.ts';

const read = (...blocks: JsonObject[]) => readContent({ content: blocks }, 'c', createLosses());

describe('blocks become parts', () => {
  test.each<[JsonObject, JsonObject]>([
    [
      { type: 'image', source: { type: 'url', url: 'https://x/y.png' } },
      { type: 'image_url', image_url: { url: 'https://x/y.png' } },
    ],
    [
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'plain' } },
      { type: 'text', text: 'plain' },
    ],
    [
      { type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBE' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBE' } },
    ],
    [
      { type: 'search_result', source: 'x', title: 't', content: [{ type: 'text', text: 'found' }] },
      { type: 'text', text: 'found' },
    ],
  ])('%j', (block, part) => {
    expect(read(block)).toEqual([part]);
  });

  test('a document by URL is refused', () => {
    const block = { type: 'document', source: { type: 'url', url: 'https://x/y.pdf' } };
    expect(() => read(block)).toThrow(expect.objectContaining({ code: 'capability_missing', param: 'c[0].source' }));
  });
});

test('text alone is one string, anything else a list of parts', () => {
  expect(simplestContent(read({ type: 'text', text: 'a' }, { type: 'text', text: 'b' }))).toBe('a\n\nb');
  expect(
    simplestContent(read({ type: 'text', text: 'a' }, { type: 'image', source: { type: 'url', url: 'https://x' } })),
  ).toHaveLength(2);
});
