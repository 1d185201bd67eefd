/** How the mock provider answers one request, in OpenAI's wire, with all its misbehaviour and its bill. */
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { answerOf, mannerOf, type Answer, type Manner } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';
import { headOf, sendJson, usageOf } from './provider-wire.ts';

/** Beyond every timeout of the configuration, so that only who has none sees its end. */
const LONGEST_STALL_MS = 8_000;

export async function answerRequest(seed: string, entry: ProviderRequest, response: ServerResponse): Promise<void> {
  const manner = mannerOf(seed, entry.nonce, entry.nth);
  const said = answerOf(entry.nonce, entry.nth);
  if (manner.kind === 'rate-limited' || manner.kind === 'failing') {
    entry.outcome = 'refused';
    const isLimit = manner.kind === 'rate-limited';
    const headers: Record<string, string> = isLimit
      ? { 'retry-after-ms': String(manner.retryAfterMs), 'retry-after': '1' }
      : {};
    sendJson(response, isLimit ? 429 : 500, { error: { message: 'told to fail', type: 'server_error' } }, headers);
    return;
  }
  if (entry.isStream) await answerInStream(entry, manner, said, response);
  else await answerInOnePiece(entry, manner, said, response);
}

/** The work is done, and billed, whether or not anyone is there to take it. */
async function answerInOnePiece(
  entry: ProviderRequest,
  manner: Manner,
  said: Answer,
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
  const message = { role: 'assistant', content: said.text, refusal: null };
  sendJson(response, 200, {
    ...headOf(entry, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: usageOf(said),
  });
  entry.sentText = said.text;
  entry.outcome = 'whole';
}

async function answerInStream(
  entry: ProviderRequest,
  manner: Manner,
  said: Answer,
  response: ServerResponse,
): Promise<void> {
  if ('delayMs' in manner) await delay(manner.delayMs);
  if (manner.kind === 'cut-before') {
    bill(entry, said, said.outputTokens);
    response.destroy();
    return;
  }
  const limit = 'words' in manner ? manner.words : said.words.length;
  const head = headOf(entry, 'chat.completion.chunk');
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (chunk: object) =>
    new Promise<void>((sent) => {
      response.write(`data: ${JSON.stringify({ ...head, ...chunk })}\n\n`, () => sent());
    });
  const choice = (delta: object, finish: string | null = null) =>
    send({ choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
  bill(entry, said, 0);
  await choice({ role: 'assistant', content: '' });
  for (const [index, word] of said.words.slice(0, limit).entries()) {
    if (isGone(response)) return;
    const text = index === 0 ? word : ` ${word}`;
    bill(entry, said, index + 1);
    entry.sentText += text;
    await choice({ content: text });
    await delay(manner.kind === 'answer' ? manner.paceMs : 20);
  }
  if (manner.kind === 'stall') await untilLeft(response);
  if (manner.kind !== 'answer' || isGone(response)) {
    response.destroy();
    return;
  }
  await choice({}, 'stop');
  await send({ choices: [], usage: usageOf(said) });
  // A reader that has left in the meantime is one whose answer was cut.
  if (isGone(response)) return;
  response.end('data: [DONE]\n\n');
  entry.outcome = 'whole';
}

/** A call, not a field: what was false before an await may be true after it. */
function isGone(response: ServerResponse): boolean {
  return response.destroyed;
}

function bill(entry: ProviderRequest, said: Answer, words: number): void {
  entry.billedInputTokens = said.inputTokens;
  entry.billedOutputTokens = words;
}

async function cutBody(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
  await new Promise<void>((sent) => response.write('{"id":"chatcmpl', () => sent()));
}

async function untilLeft(response: ServerResponse): Promise<void> {
  if (isGone(response)) return;
  const left = new AbortController();
  response.once('close', () => left.abort());
  try {
    await delay(LONGEST_STALL_MS, undefined, { signal: left.signal });
  } catch (error) {
    if (!left.signal.aborted) throw error;
  }
}
