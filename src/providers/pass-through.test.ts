import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { passAnthropic, passOpenAi } from './pass-through.ts';

function caller(body: JsonObject): CallRequest {
  return { wire: 'openai-chat', body, stream: true };
}

const plain = caller({});
const withUsage = caller({ stream_options: { include_usage: true } });
const USAGE = '{"id":"x","choices":[],"usage":{"prompt_tokens":1}}';

describe("OpenAI's own stream", () => {
  test('passes byte for byte to a caller who asked for usage', () => {
    const data = ['{"id":"x", "choices":[{"delta":{"content":"a"}}],"usage":null,"x_new":1}', USAGE];
    const stream = passOpenAi(withUsage);
    expect(data.flatMap((one) => stream.push({ data: one }, []))).toEqual(data.map((one) => ({ data: one })));
  });

  test('shows no usage to a caller who did not ask', () => {
    const stream = passOpenAi(plain);
    expect(stream.push({ data: '{"id":"x","choices":[{"delta":{}}],"usage":null,"o":1}' }, [])).toEqual([
      { data: '{"id":"x","choices":[{"delta":{}}],"o":1}' },
    ]);
    expect(stream.push({ data: USAGE }, [])).toEqual([]);
    expect(stream.push({ data: '{ "choices" : [ ] , "usage" : {"a":1} }' }, [])).toEqual([]);
  });

  test('keeps a chunk with choices and usage, and one with neither', () => {
    const stream = passOpenAi(plain);
    const both = '{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}';
    const neither = '{"choices":[],"prompt_filter_results":[]}';
    expect(stream.push({ data: both }, [])).toEqual([{ data: both }]);
    expect(stream.push({ data: neither }, [])).toEqual([{ data: neither }]);
  });

  test('never changes the text, whatever it says', () => {
    const evil = fc.oneof(
      fc.string(),
      fc.constantFrom(',"usage":null', '"choices":[],"usage":{', '\\",\\"usage\\":null', ',"usage":null}\\'),
    );
    fc.assert(
      fc.property(fc.array(evil), (texts) => {
        const content = texts.join('');
        const chunk = { choices: [{ index: 0, delta: { content } }], usage: null };
        const [frame] = passOpenAi(plain).push({ data: JSON.stringify(chunk) }, []);
        expect(JSON.parse(frame?.data ?? 'null')).toEqual({ choices: chunk.choices });
      }),
    );
  });

  test('gives [DONE] only at the end, once', () => {
    const stream = passOpenAi(plain);
    expect(stream.push({ data: '[DONE]' }, [])).toEqual([]);
    expect(stream.end()).toEqual([{ data: '[DONE]' }]);
  });
});

describe("Anthropic's own stream", () => {
  test('passes with its names and without its ids, message_stop only at the end', () => {
    const stream = passAnthropic();
    expect(stream.push({ event: 'ping', data: '{"type": "ping"}', id: '7' }, [])).toEqual([
      { event: 'ping', data: '{"type": "ping"}' },
    ]);
    expect(stream.push({ event: 'message_stop', data: '{"type":"message_stop","x":1}' }, [])).toEqual([]);
    expect(stream.end()).toEqual([{ event: 'message_stop', data: '{"type":"message_stop","x":1}' }]);
  });
});
