/** The recorded-style wire fixtures in `test/fixtures/wires`, for the adapter contract. Test support. */
import { readFileSync } from 'node:fs';
import type { ChatAnswer, ChatEvent, SseEvent } from '../core/chat.ts';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest, ProviderAdapter, ProviderFailure } from '../core/ports/provider.ts';
import { createSseParser } from './sse/parse-sse.ts';

export const CASES = [
  'plain-text',
  'parallel-tools',
  'image',
  'json-schema',
  'reasoning',
  'length-stop',
  'content-filter',
  'cached-usage',
] as const;

export interface WireFixture {
  name: string;
  model: string;
  request: { wire: CallRequest['wire']; body: JsonObject };
  /** What must leave for the provider. `streamPath` where streaming has a path of its own. */
  encoded: { path: string; streamPath?: string; body: JsonObject; warnings: string[] };
  answer: JsonObject;
  /** The same answer as a stream, one text an event. */
  stream: string[];
  chat: ChatAnswer;
}

export interface FailureFixtures {
  cases: {
    name: string;
    status: number;
    headers: Record<string, string>;
    body: string;
    failure: Partial<ProviderFailure>;
  }[];
  streams: { name: string; events: string[]; failure: Partial<ProviderFailure> }[];
  /** 2xx bodies that are no answer. */
  broken: string[];
}

export function readFixture(folder: string, name: string): WireFixture {
  return readJson(folder, name) as WireFixture;
}

export function readFailures(folder: string): FailureFixtures {
  return readJson(folder, 'failures') as FailureFixtures;
}

function readJson(folder: string, name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../test/fixtures/wires/${folder}/${name}.json`, import.meta.url), 'utf8'));
}

/** Runs the chunks through the parser and the adapter's decoder. */
export function stream(adapter: ProviderAdapter, request: CallRequest, chunks: readonly (string | Uint8Array)[]) {
  const utf8 = new TextEncoder();
  const parser = createSseParser();
  const decoder = adapter.createStreamDecoder(request);
  const events: ChatEvent[] = [];
  const raw: SseEvent[] = [];
  const take = (parsed: readonly SseEvent[]): void => {
    raw.push(...parsed);
    for (const event of parsed) events.push(...decoder.push(event));
  };
  for (const chunk of chunks) take(parser.push(typeof chunk === 'string' ? utf8.encode(chunk) : chunk));
  take(parser.end());
  return { decoder, events, raw };
}
