/** How the mock provider answers one request, with all its misbehaviour and its bill, in the wire it was asked in. */
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { answerOf, mannerOf, type Answer, type Manner } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';
import { sendJson, type Wire } from './provider-wire.ts';

/** Beyond every timeout of the configuration, so that only who has none sees its end. */
const LONGEST_STALL_MS = 8_000;

export async function answerRequest(
  seed: string,
  entry: ProviderRequest,
  wire: Wire,
  response: ServerResponse,
): Promise<void> {
  const manner = mannerOf(seed, entry.nonce, entry.nth);
  const said = answerOf(entry.nonce, entry.nth);
  if (refuse(entry, manner, response)) return;
  if (entry.isStream) await answerInStream(entry, manner, said, wire, response);
  else await answerInOnePiece(entry, manner, said, wire, response);
}

/** True when it was a manner of refusing. */
export function refuse(entry: ProviderRequest, manner: Manner, response: ServerResponse): boolean {
  if (manner.kind !== 'rate-limited' && manner.kind !== 'failing') return false;
  entry.outcome = 'refused';
  const isLimit = manner.kind === 'rate-limited';
  const headers: Record<string, string> = isLimit
    ? { 'retry-after-ms': String(manner.retryAfterMs), 'retry-after': '1' }
    : {};
  const error = { message: 'told to fail', type: isLimit ? 'rate_limit_error' : 'api_error' };
  sendJson(response, isLimit ? 429 : 500, { type: 'error', error }, headers);
  return true;
}

/** The work is done, and billed, whether or not anyone is there to take it. */
async function answerInOnePiece(
  entry: ProviderRequest,
  manner: Manner,
  said: Answer,
  wire: Wire,
  response: ServerResponse,
): Promise<void> {
  if ('delayMs' in manner) await delay(manner.delayMs);
  bill(entry, said, said.outputTokens);
  if (manner.kind === 'stall') await untilLeft(response);
  if (manner.kind !== 'answer' || isGone(response)) {
    if (manner.kind === 'cut-within') await cutBody(response);
    response.destroy();
    return;
  }
  sendJson(response, 200, wire.whole(entry, said));
  entry.sentText = said.text;
  entry.outcome = 'whole';
}

async function answerInStream(
  entry: ProviderRequest,
  manner: Manner,
  said: Answer,
  wire: Wire,
  response: ServerResponse,
): Promise<void> {
  if ('delayMs' in manner) await delay(manner.delayMs);
  if (manner.kind === 'cut-before') {
    bill(entry, said, said.outputTokens);
    response.destroy();
    return;
  }
  const limit = 'words' in manner ? manner.words : said.words.length;
  const events = wire.stream(entry, said);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (text: string) => new Promise<void>((sent) => response.write(text, () => sent()));
  bill(entry, said, 0);
  await send(events.head);
  for (const [index, word] of said.words.slice(0, limit).entries()) {
    if (isGone(response)) return;
    const text = index === 0 ? word : ` ${word}`;
    bill(entry, said, index + 1);
    entry.sentText += text;
    await send(events.text(text));
    await delay(manner.kind === 'answer' ? manner.paceMs : 20);
  }
  if (manner.kind === 'stall') await untilLeft(response);
  if (manner.kind !== 'answer' || isGone(response)) {
    // It does not notice that nobody is there any more.
    if (manner.kind === 'cut-within') bill(entry, said, said.outputTokens);
    response.destroy();
    return;
  }
  await send(events.tail);
  // A reader that has left in the meantime is one whose answer was cut.
  if (isGone(response)) return;
  response.end(events.mark);
  entry.outcome = 'whole';
}

/** A call, not a field: what was false before an await may be true after it. */
export function isGone(response: ServerResponse): boolean {
  return response.destroyed;
}

export function bill(entry: ProviderRequest, said: Answer, words: number): void {
  entry.billedInputTokens = said.inputTokens;
  entry.billedOutputTokens = words;
}

export async function cutBody(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
  await new Promise<void>((sent) => response.write('{"id":"chatcmpl', () => sent()));
}

export async function untilLeft(response: ServerResponse): Promise<void> {
  if (isGone(response)) return;
  const left = new AbortController();
  response.once('close', () => left.abort());
  try {
    await delay(LONGEST_STALL_MS, undefined, { signal: left.signal });
  } catch (error) {
    if (!left.signal.aborted) throw error;
  }
}
