import { expect, test } from 'vitest';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest, ProviderAnswer } from '../core/ports/provider.ts';
import { doorWires, providerAdapters } from './registry.ts';
import { createDoorStream, eventsOfAnswer, replayFrames } from './stream-bridge.ts';

const request: CallRequest = { wire: 'openai-chat', body: {}, stream: true };
const openai = providerAdapters.get('openai');

function answer(body: JsonObject): ProviderAnswer {
  const decoded = openai?.decodeAnswer(request, JSON.stringify(body));
  if (decoded === undefined) throw new Error('no adapter');
  return decoded;
}

test('an answer with several choices in one piece is streamed with all of them', () => {
  const choice = (index: number, content: string) => ({
    index,
    message: { role: 'assistant', content },
    finish_reason: 'stop',
  });
  const whole = answer({ id: 'chatcmpl-1', model: 'm', created: 1, choices: [choice(1, 'B'), choice(0, 'A')] });
  expect(eventsOfAnswer(whole).filter(({ type }) => type === 'text-delta')).toEqual([
    { type: 'text-delta', choice: 0, text: 'A' },
    { type: 'text-delta', choice: 1, text: 'B' },
  ]);
  const encoder = doorWires['openai-chat'].createStreamEncoder(request);
  const decoder = openai?.createStreamDecoder(request);
  for (const frame of [...encoder.push(eventsOfAnswer(whole)), ...encoder.end()]) decoder?.push(frame);
  expect(decoder?.answer().body.choices).toMatchObject([{ message: { content: 'A' } }, { message: { content: 'B' } }]);
});

test('embeddings are no stream and no chat', () => {
  const embeddings: ProviderAnswer = { ...answer({ choices: [{}] }), wire: 'openai-embeddings', chat: null };
  expect(eventsOfAnswer(embeddings)).toEqual([]);
  const door = doorWires['openai-chat'];
  expect(() => replayFrames({ answer: embeddings, frames: [], warnings: [] }, door, request)).toThrow(
    /cannot be streamed/,
  );
  for (const chatDoor of [door, doorWires['anthropic-messages']]) {
    expect(() => chatDoor.encodeAnswer(embeddings, request)).toThrow(/openai-embeddings/);
  }
  expect(() => doorWires['openai-embeddings'].encodeAnswer(answer({ choices: [{}] }), request)).toThrow(
    /no embeddings/,
  );
});

test('a caller who did not ask for usage gets none, whatever the wire the answer came on', () => {
  const usage = {
    inputTokens: 1,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 1,
    reasoningTokens: 0,
    inputAudioTokens: 0,
    outputAudioTokens: 0,
  };
  for (const isAsked of [true, false]) {
    const asking = { ...request, body: isAsked ? { stream_options: { include_usage: true } } : {} };
    const stream = createDoorStream('anthropic-messages', doorWires['openai-chat'], asking);
    const frames = [
      ...stream.push({ data: '' }, [
        { type: 'start', id: 'x', model: 'm', created: 1 },
        { type: 'text-delta', choice: 0, text: 'a' },
      ]),
      ...stream.push({ data: '' }, [{ type: 'usage', usage, serviceTier: null }]),
      ...stream.end(),
    ];
    expect(frames.filter(({ data }) => data.includes('"usage"')).length > 0).toBe(isAsked);
    expect(frames.at(-1)).toEqual({ data: '[DONE]' });
  }
});
