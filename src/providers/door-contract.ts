/**
 * The part of the adapter contract that crosses wires: whatever a provider answered must reach a caller of any door, and
 * read there as the same answer. The doors' own decoders are the judges.
 */
import { describe, expect, test } from 'vitest';
import type { ChatAnswer, SseEvent } from '../core/chat.ts';
import type { CallRequest, DoorWire, ProviderAdapter, ProviderAnswer } from '../core/ports/provider.ts';
import type { WireFixture } from './wire-fixtures.ts';
import { stream } from './wire-fixtures.ts';
import { doorWires, providerAdapters } from './registry.ts';
import { createDoorStream, eventsOfAnswer, replayFrames } from './stream-bridge.ts';

/** Who reads each door's wire. */
const READERS = [
  { door: doorWires['openai-chat'], readerKind: 'openai' },
  { door: doorWires['anthropic-messages'], readerKind: 'anthropic' },
] as const;

export function describeDoors(adapter: ProviderAdapter, fixtures: readonly WireFixture[]): void {
  describe.each(READERS)(`${adapter.kind} through the door $door.wire`, ({ door, readerKind }) => {
    const reader = providerAdapters.get(readerKind);
    if (reader === undefined) throw new Error(`no adapter of kind ${readerKind}`);

    describe.each(fixtures)('$name', (fixture) => {
      const request = callerOf(door, fixture);
      const answer = adapter.decodeAnswer({ ...fixture.request, stream: false }, JSON.stringify(fixture.answer));

      test('reads as the same answer', () => {
        const body = door.encodeAnswer(answer, request);
        expect(essence(reader.decodeAnswer(request, JSON.stringify(body)).chat)).toEqual(essence(answer.chat));
        if (adapter.wire === door.wire) expect(body).toBe(answer.body);
      });

      test('reads as the same answer when streamed, and ends only at the end', () => {
        const { raw, decoder } = stream(adapter, { ...fixture.request, stream: true }, fixture.stream);
        const out = createDoorStream(adapter.wire, door, request);
        const decode = adapter.createStreamDecoder(request);
        const before = raw.flatMap((event) => out.push(event, decode.push(event)));
        expect(read(reader, request, before).isComplete).toBe(false);
        const frames = [...before, ...out.end()];
        expectSame(read(reader, request, frames), answer);
        const stored = { answer: decoder.answer(), frames: raw, warnings: [] };
        expect(replayFrames(stored, door, request)).toEqual(frames);
      });

      test('reads as the same answer when it came in one piece and goes out as a stream', () => {
        const encoder = door.createStreamEncoder(request);
        const frames = [...encoder.push(eventsOfAnswer(answer)), ...encoder.end()];
        expectSame(read(reader, request, frames), answer);
      });
    });
  });
}

/** A caller of that door who asks for a stream with usage. */
function callerOf(door: DoorWire, fixture: WireFixture): CallRequest {
  return {
    wire: door.wire,
    stream: true,
    body: { ...fixture.request.body, stream: true, stream_options: { include_usage: true } },
  };
}

function read(reader: ProviderAdapter, request: CallRequest, frames: readonly SseEvent[]) {
  const decoder = reader.createStreamDecoder(request);
  for (const frame of frames) decoder.push(frame);
  return decoder;
}

function expectSame(decoder: ReturnType<typeof read>, answer: ProviderAnswer): void {
  expect(decoder.isComplete).toBe(true);
  expect(essence(decoder.answer().chat)).toEqual(essence(answer.chat));
}

/** What every wire can say. A refusal's text is plain text to Anthropic. */
function essence(chat: ChatAnswer | null) {
  if (chat === null) return null;
  const { text, refusal, reasoning, reasoningSignature, toolCalls, finishReason, usage, model } = chat;
  return {
    model,
    words: (text ?? '') + (refusal ?? ''),
    reasoning,
    reasoningSignature,
    toolCalls: toolCalls.map(({ id, name, arguments: json }) => ({ id, name, arguments: JSON.parse(json) as unknown })),
    finishReason,
    usage,
  };
}
