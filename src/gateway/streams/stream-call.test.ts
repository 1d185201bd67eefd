/** What one client gets of messages that come as they may: over a real socket, from a bus of the test's own. */
import fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { readEvents, textOf, type Received } from '../../../test/support/read-events.ts';
import type { StoredAnswer } from '../../core/call/stored-answer.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import type { BusMessage } from '../../core/ports/stream-bus.ts';
import { openaiChatDoor } from '../../providers/openai/door.ts';
import type { CallService } from '../calls/call-service.ts';
import { streamCall } from './stream-call.ts';

const rawOf = (text: string) => ({
  data: JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: text } }] }),
});
const start: BusMessage = { type: 'attempt-start', attempt: 1, provider: 'sim', model: 'm', wire: 'openai-chat' };
const frame = (seq: number, text: string): BusMessage => ({
  type: 'frame',
  attempt: 1,
  seq,
  raw: rawOf(text),
  events: [{ type: 'text-delta', choice: 0, text }],
});
const end: BusMessage = {
  type: 'call-end',
  call: { id: 'call_1', outcome: 'succeeded', attempts: [{ n: 1 }] } as CallView,
};
const stored = { answer: {}, frames: ['A', 'B', 'C'].map(rawOf), warnings: [] } as unknown as StoredAnswer;

/** Gives what arrives, and how often the stream was cut. */
async function received(batches: BusMessage[][]): Promise<{ events: Received[]; cuts: number }> {
  let cuts = 0;
  const app = fastify();
  onTestFinished(() => app.close());
  app.get('/', (_request, reply) =>
    streamCall({
      calls: { give: () => Promise.resolve(stored) } as unknown as CallService,
      // eslint-disable-next-line @typescript-eslint/require-await -- a bus of its own
      messages: (async function* () {
        yield* batches;
      })(),
      signal: new AbortController().signal,
      onCut: () => (cuts += 1),
      callId: 'call_1',
      requestId: 'req_1',
      request: openaiChatDoor.parseRequest(
        { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] },
        {},
      ),
      door: openaiChatDoor,
      shape: 'openai',
      reply,
      isReplay: false,
      resumeFrom: null,
      takesRollbacks: false,
    }),
  );
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const events = await Array.fromAsync(readEvents(await fetch(url)));
  return { events, cuts };
}

async function textWhenSaid(batches: BusMessage[][]): Promise<string> {
  const { events, cuts } = await received(batches);
  expect(events.at(-1)?.data).toBe('[DONE]');
  expect(cuts).toBe(0);
  return textOf(events);
}

it.each([
  ['in one batch', (all: BusMessage[]) => [all]],
  ['in batches', (all: BusMessage[]) => all.map((message) => [message])],
])('an attempt that is said again from its start in mid-stream gives each text once, %s', async (_how, batched) => {
  const said = [start, frame(0, 'A'), frame(1, 'B'), start, frame(0, 'A'), frame(1, 'B'), frame(2, 'C'), end];
  expect(await textWhenSaid(batched(said))).toBe('ABC');
});

it('a client that holds text of a lost attempt waits no more for the call, which is told', async () => {
  const { events, cuts } = await received([[start, frame(0, 'A')], [{ ...start, attempt: 2 }], [end]]);
  expect(events.at(-1)?.data).toContain('outcome_unknown');
  expect(cuts).toBe(1);
});
