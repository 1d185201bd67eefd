/**
 * One streamed answer on its way from the provider's wire to the caller's: the very events when the wires are the same,
 * canonical events encoded anew when they differ. Either way the wire's end mark waits for `end()`, so that a caller
 * sees it only once the answer is recorded.
 */
import type { StoredAnswer } from '../core/call/stored-answer.ts';
import type { SseEvent, Wire } from '../core/chat.ts';
import { HoldfastError } from '../core/errors.ts';
import type { CallRequest, DoorWire, StreamDecoder } from '../core/ports/provider.ts';
import { createAnthropicStreamDecoder } from './anthropic/stream-decoder.ts';
import { createGeminiStreamDecoder } from './gemini/stream-decoder.ts';
import { createResponseStreamDecoder } from './openai/responses/stream-decoder.ts';
import { createOpenAiStreamDecoder } from './openai/stream-decoder.ts';
import type { DoorStream } from './pass-through.ts';
import { passAnthropic, passOpenAi } from './pass-through.ts';

export { eventsOfAnswer } from './events-of-answer.ts';
export type { DoorStream } from './pass-through.ts';

/**
 * @example
 * const stream = createDoorStream(adapter.wire, door, request);
 * write(stream.push(raw, decoder.push(raw)));
 * write(stream.end());
 */
export function createDoorStream(providerWire: Wire, door: DoorWire, request: CallRequest): DoorStream {
  if (providerWire === door.wire) {
    if (providerWire === 'openai-chat') return passOpenAi(request);
    if (providerWire === 'anthropic-messages') return passAnthropic();
  }
  const encoder = door.createStreamEncoder(request);
  return { push: (_raw, events) => encoder.push(events), end: () => encoder.end() };
}

/** A recorded stream once more, for a caller who came late or repeats a request. */
export function replayFrames(stored: StoredAnswer, door: DoorWire, request: CallRequest): SseEvent[] {
  const { answer, frames } = stored;
  const stream = createDoorStream(answer.wire, door, request);
  const decoder = decoderOf(answer.wire, answer.chat?.created ?? 0);
  return [...(frames ?? []).flatMap((frame) => stream.push(frame, decoder.push(frame))), ...stream.end()];
}

function decoderOf(wire: Wire, createdSeconds: number): Pick<StreamDecoder, 'push'> {
  switch (wire) {
    case 'openai-chat':
      return createOpenAiStreamDecoder({ mustSayDone: false });
    case 'anthropic-messages':
      return createAnthropicStreamDecoder(createdSeconds);
    case 'gemini-generate':
      return createGeminiStreamDecoder(createdSeconds);
    case 'openai-responses':
      return createResponseStreamDecoder();
    case 'openai-embeddings':
      throw new HoldfastError('invalid_request', `Answers on the wire ${wire} cannot be streamed.`, {
        param: 'stream',
      });
  }
}
