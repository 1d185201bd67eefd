/** One HTTP request of a client. */
import { Agent, request } from 'undici';
import { MAX_OUTPUT_TOKENS } from './campaign-config.ts';
import type { CallModel } from './plan.ts';
import { promptOf } from './provider-script.ts';
import { createStreamReader } from './stream-reader.ts';
import type { Submission } from './submission.ts';

export interface SubmissionInput {
  nonce: string;
  client: number;
  model: CallModel;
  isStream: boolean;
  isKeyed: boolean;
  /** What an earlier connection of this client brought: the stream goes on after it. */
  resumeAfter: Pick<Submission, 'lastEventId' | 'text'> | null;
  leaveAfterMs: number | null;
  key: string;
}

const AGAIN_MS = 250;
/** Longer than any call may take: only a lost one is silent for so long. */
const SILENCE_MS = 90_000;
/** A connection for each request, so that what a kill does to one is not seen by the next. */
const agent = new Agent({ pipelining: 0, headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS });

export async function submit(url: string, input: SubmissionInput): Promise<Submission> {
  const { nonce, client, model, isStream, isKeyed, resumeAfter, leaveAfterMs, key } = input;
  const seen: Submission = {
    nonce,
    client,
    isStream,
    isKeyed,
    startedAt: Date.now(),
    endedAt: 0,
    callId: null,
    status: null,
    text: resumeAfter?.text ?? '',
    lastEventId: resumeAfter?.lastEventId ?? null,
    end: 'nothing',
    errorCode: null,
    mayAskAgain: true,
    retryAfterMs: AGAIN_MS,
  };
  const leaving = new AbortController();
  const timer = leaveAfterMs === null ? undefined : setTimeout(() => leaving.abort(), leaveAfterMs);
  try {
    const response = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: agent,
      signal: leaving.signal,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${key}`,
        'x-holdfast-tags': JSON.stringify({ nonce }),
        ...(isKeyed && { 'idempotency-key': nonce }),
        ...(model === 'background' && { 'x-holdfast-mode': 'background' }),
        ...(resumeAfter && { 'last-event-id': resumeAfter.lastEventId ?? '' }),
      },
      body: JSON.stringify({
        model,
        max_tokens: MAX_OUTPUT_TOKENS,
        stream: isStream,
        messages: [{ role: 'user', content: promptOf(nonce) }],
      }),
    });
    readHead(seen, response.statusCode, response.headers);
    if (seen.status === 200 && isStream) await readStream(seen, response.body);
    else readBody(seen, (await response.body.json()) as AnswerBody);
  } catch (error) {
    seen.mayAskAgain = true;
    if (leaving.signal.aborted) seen.end = 'left';
    else if (seen.status !== null) seen.end = 'broken';
    seen.errorCode ??= error instanceof Error && 'code' in error ? String(error.code) : null;
  } finally {
    clearTimeout(timer);
    seen.endedAt = Date.now();
  }
  return seen;
}

interface AnswerBody {
  choices?: { message: { content: string } }[];
  error?: { code?: string };
}

type Headers = Record<string, string | string[] | undefined>;

function readHead(seen: Submission, status: number, headers: Headers): void {
  const text = (name: string) => (headers[name] === undefined ? null : String(headers[name]));
  seen.status = status;
  seen.callId = text('x-holdfast-call-id');
  const advice = text('x-should-retry');
  seen.mayAskAgain = status !== 200 && (advice === null ? status === 429 || status >= 500 : advice === 'true');
  const seconds = text('retry-after');
  const ms = text('retry-after-ms') ?? (seconds === null ? null : String(Number(seconds) * 1_000));
  if (ms !== null) seen.retryAfterMs = Math.min(Number(ms), 1_000);
}

function readBody(seen: Submission, body: AnswerBody): void {
  seen.errorCode = body.error?.code ?? null;
  seen.text = body.choices?.[0]?.message.content ?? '';
  seen.end = seen.status === 200 && body.error === undefined ? 'whole' : 'error';
}

async function readStream(seen: Submission, body: AsyncIterable<Uint8Array>): Promise<void> {
  const reader = createStreamReader();
  const before = seen.text;
  seen.mayAskAgain = true;
  try {
    for await (const chunk of body) reader.push(chunk);
  } finally {
    seen.text = before + reader.text;
    seen.lastEventId = reader.lastEventId ?? seen.lastEventId;
    seen.errorCode = reader.errorCode;
  }
  if (reader.isDone && reader.errorCode === null) {
    seen.end = 'whole';
    seen.mayAskAgain = false;
  } else seen.end = reader.errorCode === null ? 'silent' : 'error';
}
