import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { CallView } from '../../core/ports/ledger/views.ts';
import type { BusMessage } from '../../core/ports/stream-bus.ts';
import { createReceivedOrder } from './received-order.ts';

const start = (attempt: number): BusMessage => ({ type: 'attempt-start', attempt, provider: 'p', model: 'm', wire: 'openai-chat' }); // prettier-ignore
const frame = (attempt: number, seq: number): BusMessage => ({ type: 'frame', attempt, seq, raw: { data: '' }, events: [] }); // prettier-ignore
const failed = (attempt: number): BusMessage => ({ type: 'attempt-failed', attempt, code: 'provider_unavailable', delivered: false }); // prettier-ignore
const end: BusMessage = { type: 'call-end', call: { id: 'call' } as CallView };
const CALL = [start(1), frame(1, 0), frame(1, 1), failed(1), start(2), frame(2, 0), frame(2, 1), frame(2, 2), end];

it('whatever is lost and sent again, what passes is the call in order, and only a gap is asked for again', () => {
  // Runs of the call from its start, each cut somewhere, with messages missing: then the whole of it once more.
  const sending = fc.array(fc.subarray(CALL, { minLength: 1 }), { maxLength: 6 });
  fc.assert(
    fc.property(sending, (runs) => {
      const classify = createReceivedOrder();
      const passed: BusMessage[] = [];
      for (const run of [...runs, CALL]) {
        for (const message of run) {
          const verdict = classify(message);
          if (verdict === 'gap') break;
          if (verdict === 'new') passed.push(message);
        }
      }
      const frames = passed.filter(({ type }) => type === 'frame');
      for (const [index, message] of frames.entries()) {
        const before = frames[index - 1];
        if (message.type !== 'frame') continue;
        const follows = before?.type === 'frame' && before.attempt === message.attempt ? before.seq + 1 : 0;
        expect(message.seq).toBe(follows);
      }
      expect(new Set(passed).size).toBe(passed.length);
      expect(passed.at(-1)).toBe(end);
    }),
  );
});

it('an answer is not taken from another node: it is in the ledger', () => {
  const classify = createReceivedOrder();
  classify(start(1));
  const stored = { answer: {}, frames: null, warnings: [] } as never;
  expect(classify({ type: 'answer', attempt: 1, stored })).toBe('known');
});

it.each(CALL.map((_message, held) => held))(
  'of a channel that holds %i messages already, only the rest passes',
  (held) => {
    const classify = createReceivedOrder();
    for (const message of CALL.slice(0, held)) classify(message);
    expect(CALL.filter((message) => classify(message) === 'new')).toEqual(CALL.slice(held));
  },
);
