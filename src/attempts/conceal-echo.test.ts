import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fastestMs } from '../../test/support/fastest.ts';
import type { JsonObject } from '../core/json.ts';
import { concealEcho } from './conceal-echo.ts';

const requestOf = (content: string, extra: JsonObject = {}) => ({
  wire: 'openai-chat' as const,
  stream: false,
  body: { model: 'a-very-long-model-name', messages: [{ role: 'user', content }], ...extra },
});

describe('concealEcho', () => {
  it('masks the key, whatever it looks like, also where the message was cut within it', () => {
    const secret = 'No.Known/Shape=Of+A-Key';
    expect(concealEcho(`Wrong key ${secret}!`, secret, requestOf('x'))).toBe('Wrong key [redacted]!');
    expect(concealEcho(`Wrong key ${secret.slice(0, 9)}…`, secret, requestOf('x'))).toBe('Wrong key [redacted]…');
    expect(concealEcho('Wrong key abc', 'abc', requestOf('x'))).toBe('Wrong key [redacted]');
  });

  it('masks the prompt, whole or in part, plain or as JSON', () => {
    const prompt = 'Tell "Zoë" 你好世界\nabout the merger';
    const request = requestOf(prompt);
    expect(concealEcho(`Cannot read: ${prompt}.`, undefined, request)).toBe('Cannot read: [content].');
    expect(concealEcho('near <about the merger>', undefined, request)).toBe('near <[content]>');
    expect(concealEcho(`in ${JSON.stringify(prompt)}`, undefined, request)).toBe('in [content]');
    const ascii = JSON.stringify(prompt).replace(
      /[^\x20-\x7e]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    expect(concealEcho(`in ${ascii}`, undefined, request)).toBe('in [content]');
  });

  it('masks what stands deep in the request, such as a tool description', () => {
    const tools = [{ type: 'function', function: { name: 'look_up_customer', description: 'Our private customers' } }];
    expect(
      concealEcho('look_up_customer: Our private customers is too long', undefined, requestOf('hi', { tools })),
    ).toBe('look_up_customer: [content] is too long');
  });

  it('masks what stands below a field with the name of a name', () => {
    const parameters = {
      type: 'object',
      properties: { name: { description: 'The patient, born in Ulm' }, type: ['a diagnosis of diabetes'] },
    };
    const request = requestOf('hi', { tools: [{ type: 'function', function: { name: 'f', parameters } }] });
    expect(concealEcho('In The patient, born in Ulm: no', undefined, request)).toBe('In [content]: no');
    expect(concealEcho('a diagnosis of diabetes?', undefined, request)).toBe('[content]?');
  });

  it('masks keys of the caller, and leaves those of the wire', () => {
    const schema = { type: 'object', properties: { project_nightingale_revenue: { type: 'number' } } };
    const response_format = { type: 'json_schema', json_schema: { name: 's', schema } };
    const request = requestOf('hi', { response_format, metadata: { 'customer Jane Roe': 'x' } });
    const message = 'response_format: project_nightingale_revenue; metadata: customer Jane Roe';
    expect(concealEcho(message, undefined, request)).toBe('response_format: [content]; metadata: [content]');
  });

  it('leaves a message that shares only words and names with the request', () => {
    const message = "The model a-very-long-model-name does not take 'temperature' for this user.";
    expect(concealEcho(message, 'sk-something-else', requestOf('What is the temperature?'))).toBe(message);
  });

  it('leaves no run of 12 characters of any prompt in any message', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 12, maxLength: 200 }),
        fc.nat(),
        fc.string(),
        fc.string(),
        (prompt, seed, before, after) => {
          const start = seed % Math.max(1, prompt.length - 11);
          const masked = concealEcho(before + prompt.slice(start) + after, undefined, requestOf(prompt));
          for (let at = 0; at + 12 <= prompt.length; at++) {
            const run = prompt.slice(at, at + 12);
            if (!'[content]'.includes(run)) expect(masked.includes(run)).toBe(false);
          }
        },
      ),
    );
  });

  it('takes time in proportion to the prompt', () => {
    const fastest = (megabytes: number) =>
      fastestMs(() => {
        concealEcho(
          `${'a'.repeat(250)}${'ab'.repeat(125)}`,
          'secret-key',
          requestOf('a'.repeat(megabytes * 1024 * 1024)),
        );
        concealEcho('a'.repeat(500), 'secret-key', requestOf('ab'.repeat(megabytes * 512 * 1024)));
      });
    const one = fastest(0.5);
    // Eight times the prompt; in the square it would be sixty-four.
    expect(fastest(4)).toBeLessThan(one * 24);
  });
});
