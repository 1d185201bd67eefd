/** What one client of a stream gets, over a real connection; the messages are the test's own. */
import { fastify } from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import type { StoredAnswer } from '../../core/call/stored-answer.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { openaiChatDoor } from '../../providers/openai/door.ts';
import { createOpenAiStreamDecoder } from '../../providers/openai/stream-decoder.ts';
import { createClientStream, type ClientStream } from './client-stream.ts';

const REQUEST: CallRequest = { wire: 'openai-chat', stream: true, body: { model: 'm', messages: [] } };
const WORDS = ['stone ', 'paper ', 'light'];
const chunks = ['', ...WORDS].map((content) => ({
  data: JSON.stringify({ id: 'chatcmpl-1', created: 1, model: 'm', choices: [{ index: 0, delta: { content } }] }),
}));
const RECOVERED: StoredAnswer = {
  answer: {
    wire: 'openai-chat',
    body: {},
    chat: {
      id: 'chatcmpl-1',
      model: 'm',
      created: 1,
      text: WORDS.join(''),
      refusal: null,
      reasoning: null,
      reasoningSignature: null,
      toolCalls: [],
      finishReason: 'stop',
      rawFinishReason: 'stop',
      usage: null,
      serviceTier: null,
    },
    usage: null,
    rawUsage: null,
    responseId: 'chatcmpl-1',
    model: 'm',
    serviceTier: null,
  },
  frames: null,
  warnings: [],
  isRecovered: true,
};

/** Gives what arrives at a client while `play` has its stream. */
async function received(takesRollbacks: boolean, play: (client: ClientStream) => Promise<unknown>): Promise<string> {
  const app = fastify();
  onTestFinished(() => app.close());
  app.get('/', async (_request, reply) => {
    const client = createClientStream({
      callId: 'call_1',
      requestId: 'req_1',
      request: REQUEST,
      door: openaiChatDoor,
      shape: 'openai',
      reply,
      isReplay: false,
      resumeFrom: null,
      takesRollbacks,
    });
    await play(client);
    return reply;
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return (await fetch(url)).text();
}

/** The first frames of attempt 1, which then is lost. */
async function begin(client: ClientStream): Promise<void> {
  await client.begin(1, 'openai-chat');
  const decoder = createOpenAiStreamDecoder({ mustSayDone: true });
  for (const [seq, raw] of chunks.slice(0, 3).entries()) {
    const frame = { type: 'frame', attempt: 1, seq, raw, events: decoder.push(raw) } as const;
    await client.write(client.take(frame));
  }
}

const textOf = (sse: string) => [...sse.matchAll(/"content":"([^"]*)"/g)].map(([, text = '']) => text).join('');

it('a client that is there when its lost stream is recovered starts over, with the whole text and the end mark', async () => {
  const text = await received(true, async (client) => {
    await begin(client);
    await client.finish(RECOVERED, 1);
  });
  const [before = '', after = ''] = text.split(/^event: attempt-rollback$/m);
  expect(textOf(before)).toBe('stone paper ');
  expect(textOf(after)).toBe('stone paper light');
  expect(after).toContain('[DONE]');
});

it('one that takes no rollbacks is told that its text cannot go on, and gets no end mark', async () => {
  const text = await received(false, async (client) => {
    await begin(client);
    await client.finish(RECOVERED, 1);
  });
  expect(textOf(text)).toBe('stone paper ');
  expect(text).toContain('outcome_unknown');
  expect(text).not.toContain('[DONE]');
});

it('an answer of one piece is never taken for the rest of a stream, whatever was noted of it', async () => {
  const { isRecovered: _noted, ...inOnePiece } = RECOVERED;
  const play = async (client: ClientStream) => {
    await begin(client);
    await client.finish(inOnePiece, 1);
  };
  expect(await received(false, play)).toContain('outcome_unknown');
  const [, after = ''] = (await received(true, play)).split(/^event: attempt-rollback$/m);
  expect(textOf(after)).toBe('stone paper light');
});

it('one that holds nothing of it gets the recovered answer as any other', async () => {
  const text = await received(false, async (client) => {
    await client.begin(1, 'openai-chat');
    await client.finish(RECOVERED, 1);
  });
  expect(textOf(text)).toBe('stone paper light');
  expect(text).toContain('[DONE]');
});
