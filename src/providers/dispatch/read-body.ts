/** Bodies of a provider's answers, within a limit: in one piece, or event by event. */
import type { Dispatcher } from 'undici';
import type { SseEvent } from '../../core/chat.ts';
import { ProviderFailureError } from '../../core/ports/provider.ts';
import { createSseParser } from '../sse/parse-sse.ts';
import type { PhaseClock } from './phase-clock.ts';

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
  return Buffer.concat(chunks).toString('utf8');
}

/** Gives each event to `take`, and ends with the body or when that says that it had enough. */
export async function readEvents(
  body: Body,
  phases: PhaseClock,
  limit: number,
  take: (raw: SseEvent) => boolean | Promise<boolean>,
): Promise<void> {
  const parser = createSseParser();
  let size = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    phases.received();
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(limit);
    for (const raw of parser.push(chunk)) if (!(await take(raw))) return;
  }
  for (const raw of parser.end()) if (!(await take(raw))) return;
}

export function isEventStream(contentType: string | string[] | undefined): boolean {
  return String(contentType).startsWith('text/event-stream');
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
