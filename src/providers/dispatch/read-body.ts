/** Bodies of a provider's answers, within a limit: in one piece, or event by event. */
import type { Dispatcher } from 'undici';
import type { SseEvent } from '../../core/chat.ts';
import { ProviderFailureError } from '../../core/ports/provider.ts';
import { createSseParser } from '../sse/parse-sse.ts';
import type { PhaseClock } from './phase-clock.ts';

/** How long an answer that is whole may take to end its connection. */
const END_WITHIN_MS = 1_000;

type Body = Dispatcher.ResponseData['body'];

/** All of a body. @throws ProviderFailureError beyond the limit, in bytes. */
export async function readText(body: Body, phases: PhaseClock, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    phases.received();
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  // A byte order mark, which some servers put before their JSON, goes with the decoding.
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** What `take` says of an event: read on, or read no more; `ended` where the body has nothing more to say either. */
export type Reading = 'on' | 'enough' | 'ended';

/** Gives each event to `take`, and ends with the body or when that has read what it wants. */
export async function readEvents(
  body: Body,
  phases: PhaseClock,
  limit: number,
  take: (raw: SseEvent) => Reading | Promise<Reading>,
): Promise<void> {
  const parser = createSseParser();
  let size = 0;
  let reading: Reading = 'on';
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      phases.received();
      size += chunk.byteLength;
      if (size > limit) throw tooLarge(limit);
      for (const raw of parser.push(chunk)) if ((reading = await take(raw)) !== 'on') return;
    }
    for (const raw of parser.end()) if ((reading = await take(raw)) !== 'on') return;
  } finally {
    if (reading === 'ended') letEnd(body, limit);
    else cut(body);
  }
}

/** An error of its own is on its way to the reader, if there is one: that we cut is no news. */
function cut(body: Body): void {
  body.on('error', () => undefined).destroy();
}

/** The connection can be used again if its answer ends, and nobody waits for that; else it is given up. */
function letEnd(body: Body, limit: number): void {
  const late = setTimeout(() => cut(body), END_WITHIN_MS);
  void body.dump({ limit }).finally(() => clearTimeout(late));
}

export function isEventStream(contentType: string | string[] | undefined): boolean {
  return String(contentType).toLowerCase().startsWith('text/event-stream');
}

/** An answer beyond what is read of one. */
export function tooLarge(limit: number): ProviderFailureError {
  return new ProviderFailureError({
    code: 'provider_unavailable',
    message: `The answer is larger than ${String(limit)} bytes.`,
    retryable: false,
    failOver: true,
  });
}
