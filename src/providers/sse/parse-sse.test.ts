import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SseEvent } from '../../core/chat.ts';
import { ProviderFailureError } from '../../core/ports/provider.ts';
import { formatSse } from './format-sse.ts';
import type { SseParserOptions } from './parse-sse.ts';
import { createSseParser } from './parse-sse.ts';

const utf8 = new TextEncoder();

function parse(chunks: readonly Uint8Array[], options?: SseParserOptions): SseEvent[] {
  const parser = createSseParser(options);
  return [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()];
}

const parseText = (text: string): SseEvent[] => parse([utf8.encode(text)]);

function cut(bytes: Uint8Array, points: readonly number[]): Uint8Array[] {
  const at = [0, ...points.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe('the parser follows the standard', () => {
  test.each([
    ['LF', 'event: a\ndata: 1\n\ndata: 2\n\n'],
    ['CRLF', 'event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n'],
    ['CR', 'event: a\rdata: 1\r\rdata: 2\r\r'],
    ['mixed', 'event: a\r\ndata: 1\n\rdata: 2\r\n\n'],
  ])('lines may end in %s', (_name, text) => {
    expect(parseText(text)).toEqual([{ event: 'a', data: '1' }, { data: '2' }]);
  });

  test('comments, unknown fields and retry are skipped, and alone give no event', () => {
    expect(parseText(': keep-alive\n\nretry: 10\n\nfoo: x\ndata: 1\n: c\n\n')).toEqual([{ data: '1' }]);
  });

  test('several data lines are one text, one space after the colon is cut, a missing colon is an empty value', () => {
    expect(parseText('data:a\ndata:  b\ndata\n\n')).toEqual([{ data: 'a\n b\n' }]);
  });

  test('an id is kept unless it holds NUL', () => {
    expect(parseText('id: 7\ndata: 1\n\nid: a\0b\ndata: 2\n\n')).toEqual([{ id: '7', data: '1' }, { data: '2' }]);
  });

  test('a byte order mark at the start is not part of the first field', () => {
    expect(parseText('\uFEFFdata: 1\n\n')).toEqual([{ data: '1' }]);
  });

  test('an event whose blank line is missing at the end is given at the end', () => {
    expect(parseText('data: 1\n\ndata: 2')).toEqual([{ data: '1' }, { data: '2' }]);
  });
});

test('any chunking of any bytes gives the same events', () => {
  const line = fc.oneof(
    fc.constantFrom('', 'data', 'data:', ': ping', 'event: x', 'id: 1', 'retry: 5'),
    fc.string({ unit: 'grapheme' }).map((text) => `data: ${text}`),
    fc.string({ unit: 'binary' }),
  );
  const ending = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\r\n\r\n');
  const body = fc.array(fc.tuple(line, ending)).map((lines) => lines.flat().join(''));
  fc.assert(
    fc.property(body, fc.array(fc.nat(), { maxLength: 20 }), (text, points) => {
      const bytes = utf8.encode(text);
      expect(parse(cut(bytes, points))).toEqual(parse([bytes]));
    }),
    { numRuns: 500 },
  );
});

test('every single byte boundary gives the same events', () => {
  const bytes = utf8.encode('\uFEFFevent: é\r\ndata: 😀\r\ndata: {"a":"ü"}\r\n\r\n: x\n\ndata: [DONE]\n\n');
  const whole = parse([bytes]);
  expect(whole).toEqual([{ event: 'é', data: '😀\n{"a":"ü"}' }, { data: '[DONE]' }]);
  for (let at = 0; at <= bytes.length; at += 1)
    expect(parse([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
  expect(parse([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
});

test('what is formatted parses back', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .filter((text) => !/[\r\n\0]/.test(text) && !text.startsWith('\uFEFF'));
  const event = fc.record({ event: name, id: name, data: fc.string({ unit: 'grapheme' }) }, { requiredKeys: ['data'] });
  fc.assert(
    fc.property(fc.array(event), (events) => {
      const expected = events.map((one) => ({ ...one, data: one.data.replace(/\r\n?/g, '\n') }));
      expect(parseText(events.map((one) => formatSse(one)).join(''))).toEqual(expected);
    }),
  );
});

test('a name cannot forge another field', () => {
  expect(formatSse({ event: 'a\ndata: forged', data: '1' })).toBe('event: a data: forged\ndata: 1\n\n');
});

describe('an event may not grow beyond its bound', () => {
  const options = { maxEventLength: 100 };

  test.each([
    ['in one line', ['data: ' + 'x'.repeat(200) + '\n\n']],
    ['in a line that never ends', Array.from({ length: 30 }, () => 'xxxxxxxxxx')],
    ['in many lines', Array.from({ length: 30 }, () => 'data: xxxxx\n')],
  ])('%s', (_name, texts) => {
    const run = () =>
      parse(
        texts.map((text) => utf8.encode(text)),
        options,
      );
    expect(run).toThrow(ProviderFailureError);
    expect(run).toThrow(/longer than 100 characters/);
  });

  test('but comments alone, which keep a connection alive for hours, are no event', () => {
    expect(parse([utf8.encode(': ping\n'.repeat(100) + 'data: 1\n\n')], options)).toEqual([{ data: '1' }]);
  });

  test('but many small events are no long one', () => {
    expect(parse([utf8.encode('data: 12345\n\n'.repeat(100))], options)).toHaveLength(100);
  });
});

test('a long line in tiny chunks stays linear', () => {
  const chunk = utf8.encode('x'.repeat(16));
  const parser = createSseParser();
  const startedAt = performance.now();
  parser.push(utf8.encode('data: '));
  for (let count = 0; count < 100_000; count += 1) parser.push(chunk);
  expect(parser.push(utf8.encode('\n\n'))[0]?.data).toHaveLength(1_600_000);
  expect(performance.now() - startedAt).toBeLessThan(3_000);
});
