import { expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { writeParts } from './write-parts.ts';

const url = (one: string) => ({ type: 'image_url', image_url: { url: one } });

test.each<[JsonObject, JsonObject[]]>([
  [{ type: 'text', text: '' }, []],
  [{ type: 'refusal', refusal: 'no' }, [{ text: 'no' }]],
  [url('data:image/webp;base64,AAAA'), [{ inlineData: { mimeType: 'image/webp', data: 'AAAA' } }]],
  [url('data:image/png;x=y;base64,AAAA'), [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }]],
  [
    url('https://x.test/a.webp?b=c.png'),
    [{ fileData: { fileUri: 'https://x.test/a.webp?b=c.png', mimeType: 'image/webp' } }],
  ],
  [
    url('https://x.test/constructor'),
    [{ fileData: { fileUri: 'https://x.test/constructor', mimeType: 'image/jpeg' } }],
  ],
  [
    { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBE' } },
    [{ inlineData: { mimeType: 'application/pdf', data: 'JVBE' } }],
  ],
])('%j', (part, expected) => {
  expect(writeParts([part], 'c')).toEqual(expected);
});

test.each<[JsonObject]>([
  [{ type: 'file', file: { file_id: 'f' } }],
  [{ type: 'hologram' }],
  [url('data:image/png,raw')],
  [url(`data:image/png;${'x'.repeat(500)};base64,AAAA`)],
])('%j is refused', (part) => {
  expect(() => writeParts([part], 'c')).toThrow(expect.objectContaining({ code: 'capability_missing' }));
});
