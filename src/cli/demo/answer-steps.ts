/** The steps in which all goes well: an answer, a stream, an answer that was paid before. */
import { randomUUID } from 'node:crypto';
import { costText } from '../format.ts';
import { ask, must, textOfAnswer, type DemoStep } from './demo-step.ts';

export const answerStep: DemoStep = {
  title: 'an answer, with its cost',
  async run({ client, say, signal }) {
    const { callId, answer, costNanoUsd, attempts } = await client.call(ask('demo', 'What is a durable call?'), {
      signal,
    });
    const text = textOfAnswer(answer);
    must(text.includes('[simulated]'), 'the answer comes from the simulated provider and says so');
    must(costNanoUsd !== null && BigInt(costNanoUsd) > 0n, 'the answer has a cost');
    say(`"${text}"`);
    say(`cost ${costText(costNanoUsd ?? '0', 'priced')}, ${String(attempts)} attempt`);
    return [callId];
  },
};

export const streamStep: DemoStep = {
  title: 'a stream, token by token',
  async run({ client, say, write, signal }) {
    const stream = await client.stream(ask('demo-stream', 'Tell it slowly.'), { signal });
    let tokens = 0;
    write('    ');
    for await (const chunk of stream) {
      const { choices } = chunk as { choices?: { delta?: { content?: string } }[] };
      const text = choices?.[0]?.delta?.content ?? '';
      if (text === '') continue;
      tokens += 1;
      write(text);
    }
    write('\n');
    must(tokens > 5, 'the text comes in many pieces');
    const call = await client.getCall(stream.callId).describe({ signal });
    must(call.outcome === 'succeeded', 'the stream ends only once its answer is recorded');
    say(`${String(tokens)} pieces, cost ${costText(call.costNanoUsd, call.pricing)}`);
    return [stream.callId];
  },
};

export const idempotencyStep: DemoStep = {
  title: 'the same Idempotency-Key again: the same answer, not paid twice',
  async run({ client, simulator, say, signal }) {
    const options = { idempotencyKey: `demo-${randomUUID()}`, signal };
    const before = simulator.count;
    const first = await client.call(ask('demo', 'Answer this only once.'), options);
    const second = await client.call(ask('demo', 'Answer this only once.'), options);
    const hits = simulator.count - before;
    must(second.callId === first.callId && second.replayed, 'the second request gets the call of the first');
    must(JSON.stringify(second.answer) === JSON.stringify(first.answer), 'both get the same answer');
    must(hits === 1, `the provider is hit once, not ${String(hits)} times`);
    say(`2 requests, 1 answer, ${String(hits)} provider hit`);
    return [first.callId];
  },
};
