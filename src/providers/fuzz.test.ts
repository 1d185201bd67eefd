/** Foreign JSON of any shape: decoders and doors answer it or refuse it in their own terms, and never fall over. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { isJsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { ProviderFailureError } from '../core/ports/provider.ts';
import { CASES, readFixture } from './wire-fixtures.ts';
import { estimateInputTokens } from './estimate-tokens.ts';
import { doorWires, providerAdapters } from './registry.ts';
import { requiredCapabilities } from './required-capabilities.ts';
import { eventsOfAnswer } from './stream-bridge.ts';

const RUNS = { numRuns: 300 };
const FOLDERS = { openai: 'openai', anthropic: 'anthropic', gemini: 'gemini' } as const;

/** A copy of `value` with the part that `path` leads to replaced. */
function replaceAt(value: Json, path: readonly number[], by: Json): Json {
  const keys = Array.isArray(value) ? [...value.keys()] : isJsonObject(value) ? Object.keys(value) : [];
  const [step, ...rest] = path;
  if (step === undefined || keys.length === 0) return by;
  const key = keys[step % keys.length];
  if (Array.isArray(value)) return value.map((part, index) => (index === key ? replaceAt(part, rest, by) : part));
  if (!isJsonObject(value) || typeof key !== 'string') return by;
  return { ...value, [key]: replaceAt(value[key] ?? null, rest, by) };
}

const path = fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 8 });
const anything = fc.oneof(
  fc.constantFrom<Json[]>(null, '', 0, -1, 1e308, true, [], {}, [null], { type: 'text' }, '__proto__', 'data:,'),
  fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json),
);

/** Runs it; its own errors are fine, any other is a defect. */
function survives<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof ProviderFailureError || HoldfastError.is(error)) return undefined;
    throw error;
  }
}

describe.each(Object.entries(FOLDERS))('%s', (kind, folder) => {
  const adapter = providerAdapters.get(kind);
  if (adapter === undefined) throw new Error(kind);
  const fixture = fc.constantFrom(...CASES.map((name) => readFixture(folder, name)));

  test('survives answers that are not what it promised', () => {
    fc.assert(
      fc.property(fixture, path, anything, ({ answer, request }, at, by) => {
        const body = JSON.stringify(replaceAt(answer, at, by));
        const decoded = survives(() => adapter.decodeAnswer({ ...request, stream: false }, body));
        if (decoded === undefined) return;
        survives(() => eventsOfAnswer(decoded));
        for (const door of [doorWires['openai-chat'], doorWires['anthropic-messages']]) {
          survives(() => JSON.stringify(door.encodeAnswer(decoded, { ...request, stream: false })));
        }
      }),
      RUNS,
    );
  });

  test('survives streams that are not what it promised', () => {
    fc.assert(
      fc.property(fixture, fc.nat(), path, anything, ({ stream, request }, which, at, by) => {
        const decoder = adapter.createStreamDecoder({ ...request, stream: true });
        const encoders = [doorWires['openai-chat'], doorWires['anthropic-messages']].map((door) =>
          door.createStreamEncoder({ ...request, stream: true }),
        );
        for (const [index, text] of stream.entries()) {
          const data = text.replace(/^[\s\S]*?data: /, '').trim();
          if (data === '[DONE]') continue;
          const event = JSON.parse(data) as JsonObject;
          const sent = JSON.stringify(index === which % stream.length ? replaceAt(event, at, by) : event);
          const events = survives(() => decoder.push({ data: sent }));
          if (events === undefined) return;
          for (const encoder of encoders) encoder.push(events);
        }
        expect(decoder.answer().wire).toBe(adapter.wire);
        for (const encoder of encoders) encoder.end();
      }),
      RUNS,
    );
  });

  test('survives requests that passed the door', () => {
    fc.assert(
      fc.property(fixture, path, anything, (one, at, by) => {
        const body = replaceAt(one.request.body, at, by);
        const request = survives(() => doorWires['openai-chat'].parseRequest(body));
        if (request === undefined) return;
        const input = { request, model: one.model, baseUrl: '', secret: undefined, headers: {} };
        survives(() => adapter.encode(input));
        expect(estimateInputTokens(request.body)).toBeGreaterThan(0);
        expect(requiredCapabilities(request.body).has('chat')).toBe(true);
      }),
      RUNS,
    );
  });

  test("survives requests that passed Anthropic's door", () => {
    const input = { model: 'claude-sonnet-4-5', baseUrl: '', secret: undefined, headers: {} };
    const anthropic = providerAdapters.get('anthropic');
    fc.assert(
      fc.property(fixture, path, anything, (one, at, by) => {
        const own: CallRequest = { ...one.request, stream: false };
        const body = JSON.parse(anthropic?.encode({ ...input, request: own }).body ?? '{}') as Json;
        const request = survives(() => doorWires['anthropic-messages'].parseRequest(replaceAt(body, at, by)));
        if (request !== undefined) survives(() => adapter.encode({ ...input, model: one.model, request }));
      }),
      RUNS,
    );
  });
});
