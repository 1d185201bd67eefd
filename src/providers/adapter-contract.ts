/**
 * What every provider adapter promises, as one suite. A provider's test file hands over its adapter and the folder with
 * its fixtures in `test/fixtures/wires`; the cases are the same for all.
 */
import { describe, expect, test } from 'vitest';
import type { ChatAnswer, ChatEvent } from '../core/chat.ts';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest, ProviderAdapter, ProviderFailure } from '../core/ports/provider.ts';
import { ProviderFailureError } from '../core/ports/provider.ts';
import { describeDoors } from './door-contract.ts';
import type { WireFixture } from './wire-fixtures.ts';
import { CASES, readFailures, readFixture, stream } from './wire-fixtures.ts';

export interface ContractOptions {
  /** The folder under `test/fixtures/wires`. */
  fixtures: string;
  /** What the body holds beyond the fixture when streaming. */
  streamFields: JsonObject;
  authHeader: [name: string, value: string];
}

/** The secret that the contract encodes with. */
export const SECRET = 'sk-contract-0123456789';
const BASE_URL = 'https://provider.test/base';

export function describeAdapter(adapter: ProviderAdapter, options: ContractOptions): void {
  const fixtures = CASES.map((name) => readFixture(options.fixtures, name));
  const plain = readFixture(options.fixtures, 'plain-text');

  describe(`${adapter.kind}: requests`, () => {
    describe.each(fixtures)('$name', (fixture) => {
      test('become what the provider documents', () => {
        const encoded = encode(adapter, fixture, false);
        expect(encoded.url).toBe(BASE_URL + fixture.encoded.path);
        expect(JSON.parse(encoded.body)).toEqual(fixture.encoded.body);
        expect(encoded.warnings.map(({ path }) => path)).toEqual(fixture.encoded.warnings);
      });

      test('ask for a stream when one is wanted', () => {
        const encoded = encode(adapter, fixture, true);
        expect(encoded.url).toBe(BASE_URL + (fixture.encoded.streamPath ?? fixture.encoded.path));
        expect(JSON.parse(encoded.body)).toEqual({ ...fixture.encoded.body, ...options.streamFields });
        expect(encoded.headers.accept).toBe('text/event-stream');
      });
    });

    test('carry the secret in its header and nowhere else', () => {
      const encoded = encode(adapter, plain, false);
      const [name, value] = options.authHeader;
      expect(encoded.headers[name]).toBe(value);
      const { [name]: _secret, ...others } = encoded.headers;
      expect(JSON.stringify([encoded.url, encoded.body, others])).not.toContain(SECRET);
    });

    test('carry no header for a secret there is not, and the headers of the configuration', () => {
      const input = { ...inputOf(plain, false), secret: undefined, headers: { 'X-Team': 'a' } };
      const { headers } = adapter.encode(input);
      expect(headers).not.toHaveProperty(options.authHeader[0]);
      expect(headers).toMatchObject({ 'x-team': 'a', 'content-type': 'application/json' });
    });
  });

  describe(`${adapter.kind}: answers`, () => {
    describe.each(fixtures)('$name', (fixture) => {
      const request: CallRequest = { ...fixture.request, stream: true };

      test('are read, and kept as they came', () => {
        const answer = adapter.decodeAnswer({ ...request, stream: false }, JSON.stringify(fixture.answer));
        expect(answer.chat).toEqual(fixture.chat);
        expect(answer).toMatchObject({
          wire: adapter.wire,
          body: fixture.answer,
          usage: fixture.chat.usage,
          responseId: fixture.chat.id,
          model: fixture.chat.model,
        });
      });

      test('read the same from a stream, at every chunk boundary', () => {
        const whole = stream(adapter, request, [fixture.stream.join('')]);
        expect(whole.decoder.isComplete).toBe(true);
        expect(whole.decoder.answer().chat).toEqual(fixture.chat);
        expect(whole.decoder.answer().body).toMatchObject(comparable(fixture.answer));
        const bytes = new TextEncoder().encode(fixture.stream.join(''));
        for (let at = 1; at < bytes.length; at += 1) {
          const cut = stream(adapter, request, [bytes.subarray(0, at), bytes.subarray(at)]);
          expect(cut.events).toEqual(whole.events);
        }
        expect(whole.decoder.answer()).toEqual(
          stream(
            adapter,
            request,
            [...bytes].map((byte) => Uint8Array.of(byte)),
          ).decoder.answer(),
        );
      });

      test('stream as events in a sensible order', () => {
        checkOrder(stream(adapter, request, fixture.stream).events, fixture.chat);
      });

      test('are not complete, and throw nothing, when cut between events', () => {
        const last = adapter.wire === 'openai-chat' ? -2 : -1;
        for (let count = 0; count < fixture.stream.length + last; count += 1) {
          const { decoder } = stream(adapter, request, fixture.stream.slice(0, count));
          expect(decoder.isComplete).toBe(false);
          expect(decoder.answer().usage).toBeNull();
          expect(fixture.chat.text ?? '').toContain(decoder.answer().chat?.text ?? '');
        }
      });
    });

    test('with fields nobody knows keep them', () => {
      const body = { ...plain.answer, x_new: { deep: [1] } };
      expect(adapter.decodeAnswer({ ...plain.request, stream: false }, JSON.stringify(body)).body).toEqual(body);
    });
  });

  describe(`${adapter.kind}: failures`, () => {
    const failures = readFailures(options.fixtures);
    const request: CallRequest = { ...plain.request, stream: true };

    test.each(failures.cases)('$name', ({ status, headers, body, failure }) => {
      const decoded = adapter.decodeFailure(status, headers, body);
      expect(decoded).toEqual({ message: decoded.message, ...failure });
      expect(decoded.message).not.toBe('');
      expect(decoded.message).not.toMatch(/sk-(?!\[)[\w-]{4}/);
      expect(decoded.message.length).toBeLessThanOrEqual(500);
    });

    test.each(failures.streams)('inside a stream: $name', ({ events, failure }) => {
      expect(failureOf(() => stream(adapter, request, events))).toMatchObject(failure);
    });

    test.each(['{"cut":', 'not json', '[]', '"text"'])('a malformed event %s is a broken answer', (data) => {
      const failure = failureOf(() => stream(adapter, request, [`data: ${data}\n\n`]));
      expect(failure).toMatchObject({ code: 'provider_unavailable', retryable: true, failOver: true });
    });

    test.each(failures.broken)('a 2xx body %s is a failure', (body) => {
      expect(failureOf(() => adapter.decodeAnswer({ ...request, stream: false }, body))).toMatchObject({
        code: expect.any(String),
      });
    });

    test('any text under any status gives a failure and never throws', () => {
      for (const status of [100, 204, 301, 400, 418, 429, 451, 499, 500, 599, 999]) {
        for (const body of ['', 'null', '[]', '{"error":null}', '{"error":"x"}', '{"error":{"message":{}}}', '\0']) {
          expect(adapter.decodeFailure(status, {}, body)).toMatchObject({ status, message: expect.any(String) });
        }
      }
    });
  });

  describeDoors(adapter, fixtures);
}

function inputOf(fixture: WireFixture, isStream: boolean) {
  const request: CallRequest = { ...fixture.request, stream: isStream };
  return { request, model: fixture.model, baseUrl: BASE_URL, secret: SECRET, headers: {} };
}

function encode(adapter: ProviderAdapter, fixture: WireFixture, isStream: boolean) {
  return adapter.encode(inputOf(fixture, isStream));
}

function failureOf(run: () => unknown): ProviderFailure {
  try {
    run();
  } catch (error) {
    if (error instanceof ProviderFailureError) return error.failure;
    throw error;
  }
  throw new Error('expected a ProviderFailureError');
}

/** What a stream cannot hold of a whole answer: fields that OpenAI gives only to unstreamed messages. */
function comparable(answer: JsonObject): JsonObject {
  const text = JSON.stringify(answer, (key, value: unknown) =>
    key === 'annotations' || key === 'refusal' ? undefined : value,
  );
  return JSON.parse(text) as JsonObject;
}

function checkOrder(events: readonly ChatEvent[], chat: ChatAnswer): void {
  expect(events[0]).toEqual({ type: 'start', id: chat.id, model: chat.model, created: chat.created });
  expect(events.filter(({ type }) => type === 'start')).toHaveLength(1);
  expect(events.filter(({ type }) => type === 'finish')).toHaveLength(1);
  const isUsage = ({ type }: ChatEvent): boolean => type === 'usage';
  expect(events.findIndex(isUsage), 'counts before the end are not final').toBeGreaterThan(
    events.findIndex(({ type }) => type === 'finish'),
  );
  expect(events.findLast(isUsage)).toMatchObject({ usage: chat.usage });
  const started = new Set<number>();
  for (const event of events) {
    if (event.type === 'tool-call-start') {
      expect(event.index).toBe(started.size);
      started.add(event.index);
    }
    if (event.type === 'tool-call-delta') expect(started).toContain(event.index);
  }
  expect(started.size).toBe(chat.toolCalls.length);
}
