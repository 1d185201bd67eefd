/** One call as a stream to one client. The end mark comes only once the answer is recorded. */
import type { FastifyReply } from 'fastify';
import type { StoredAnswer } from '../../core/call/stored-answer.ts';
import type { SseEvent } from '../../core/chat.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { BusMessage } from '../../core/ports/stream-bus.ts';
import type { CallService } from '../calls/call-service.ts';
import { createClientStream, noSuchEvent, type ClientStream, type ClientStreamOptions } from './client-stream.ts';
import { lostError } from '../http/send-error.ts';

export interface StreamCall extends ClientStreamOptions {
  calls: CallService;
  /** What the call says, from the first message that there is. */
  messages: AsyncIterable<BusMessage[]>;
  /** Aborted when the client goes away. */
  signal: AbortSignal;
  /** Told when the stream has ended for its client, with an error, and the call goes on. */
  onCut(): void;
}

export async function streamCall({ calls, messages, signal, onCut, ...options }: StreamCall): Promise<FastifyReply> {
  const client = createClientStream(options);
  try {
    return await relay(calls, messages, client, options.reply, signal, onCut);
  } catch (error) {
    // Once the stream has begun, no status can say it any more: the stream itself must.
    if (client.isOpen) await client.fail(HoldfastError.is(error) ? error.toRecord() : lostError());
    throw error;
  }
}

async function relay(
  calls: CallService,
  messages: AsyncIterable<BusMessage[]>,
  client: ClientStream,
  reply: FastifyReply,
  signal: AbortSignal,
  onCut: () => void,
): Promise<FastifyReply> {
  let stored: StoredAnswer | null = null;
  let begun = 0;
  for await (const batch of messages) {
    const out: SseEvent[] = [];
    for (const message of batch) {
      switch (message.type) {
        case 'attempt-start':
          // Said once more, on the way between nodes: what the client has of it stands.
          if (message.attempt <= begun) break;
          begun = message.attempt;
          // What an attempt left behind that is over by now is of no use to a client that has none of it.
          if (client.isOpen) await client.write(out);
          out.length = 0;
          if (!(await client.begin(message.attempt, message.wire))) {
            onCut();
            return reply;
          }
          break;
        case 'frame':
          out.push(...client.take(message));
          break;
        case 'answer':
          ({ stored } = message);
          break;
        case 'call-end':
          await client.write(out);
          if (client.isBeyond(message.call.attempts.at(-1)?.n ?? 0)) return client.fail(noSuchEvent());
          if (message.call.outcome !== 'succeeded') return client.fail(message.call.error ?? lostError());
          stored = await calls.give(message.call, stored, signal);
          return client.finish(stored, message.call.attempts.at(-1)?.n ?? 1);
        case 'attempt-failed':
          break;
      }
    }
    await client.write(out);
  }
  return reply;
}
