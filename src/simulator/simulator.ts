/**
 * A provider that is not one: speaks the wires of real providers over HTTP, answers deterministically, can be told to
 * be slow or to fail, and keeps the truth about what it was asked, so that tests can count. Every answer says
 * `[simulated]`.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { anthropicAnswer, anthropicError, anthropicStream } from './anthropic-wire.ts';
import { behaviourOf, type Behaviour } from './behaviour.ts';
import { compose } from './compose.ts';
import { geminiAnswer, geminiError } from './gemini-wire.ts';
import { createKeptAnswers, type StreamedJob } from './kept-answers.ts';
import { openAiAnswer, openAiEmbeddings, openAiError, openAiStream } from './openai-wire.ts';

/** One request as the simulator saw it. */
export interface SeenRequest {
  path: string;
  model: string;
  stream: boolean;
  body: JsonObject;
  headers: IncomingMessage['headers'];
  /** The status that was answered; 0 while it is being answered, -1 when the client left or the socket was cut. */
  status: number;
}

export interface Simulator {
  /** `http://127.0.0.1:PORT`; OpenAI's base URL is this and `/v1`. */
  readonly url: string;
  /** The newest requests, oldest first; at most `maxSeen`. */
  readonly seen: readonly SeenRequest[];
  /** All requests since the start, but for the questions after answers that are kept. */
  readonly count: number;
  /** Questions after answers that are kept. */
  readonly asked: number;
  /** Questions after their streams. */
  readonly streams: number;
  /** Responses made in the background that have not ended. */
  readonly working: number;
  /** Cancellations of responses. */
  readonly cancelled: number;
  /** Has the answers go on that were told to wait (`holds`) and do so now. */
  release(): void;
  close(): Promise<void>;
}

export interface SimulatorOptions {
  /** Default 0: any free one. */
  port?: number;
  /** How many requests are remembered. Default 10,000. */
  maxSeen?: number;
}

const UNDISTURBED = { status: 0, cut: 0, stall: 0, garbles: 0 } satisfies Partial<Behaviour>;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export async function startSimulator({ port = 0, maxSeen = 10_000 }: SimulatorOptions = {}): Promise<Simulator> {
  const seen: SeenRequest[] = [];
  const failures = new Map<string, number>();
  const kept = createKeptAnswers();
  let released = Promise.withResolvers<undefined>();
  let count = 0;
  let asked = 0;
  let streams = 0;
  let cancelled = 0;

  /** True while requests of this content have to fail or be disturbed. */
  function mustFail(behaviour: Behaviour, model: string, answerId: string): boolean {
    const { status, cut, stall, garbles } = behaviour;
    if (status + cut + stall + garbles === 0) return false;
    const id = `${model} ${answerId}`;
    const failed = failures.get(id) ?? 0;
    if (failed >= behaviour.times) return false;
    if (failures.size >= maxSeen) failures.clear();
    failures.set(id, failed + 1);
    return true;
  }

  function readKept(method: string | undefined, path: string): { status: number; body: JsonObject } {
    const body = method === 'GET' ? kept.find(path) : kept.cancel(path);
    return body ? { status: 200, body } : { status: 404, body: openAiError(404, 'There is no such response.') };
  }

  async function sendKeptStream(path: string, after: number, response: ServerResponse): Promise<void> {
    const job = kept.streamed(path);
    if (!job || job.behaviour.once > 0) {
      const message = 'This response can no longer be streamed.';
      sendJson(response, job ? 400 : 404, openAiError(job ? 400 : 404, message));
      return;
    }
    const isDisturbed = mustFail(job.behaviour, job.model, job.said.id);
    await sendJob(response, job, after, isDisturbed ? job.behaviour : { ...job.behaviour, ...UNDISTURBED });
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', search] = (request.url ?? '').split('?');
    const query = new URLSearchParams(search);
    if (request.method === 'GET' && path.startsWith('/v1/responses/') && query.get('stream') === 'true') {
      streams += 1;
      await sendKeptStream(path, Number(query.get('starting_after') ?? -1), response);
      return;
    }
    const found = /^\/v1\/(?:responses|chat\/completions)\/[^/]+/.test(path) && readKept(request.method, path);
    if (found) {
      if (request.method === 'GET') asked += 1;
      else cancelled += 1;
      sendJson(response, found.status, found.body);
      return;
    }
    if (request.method === 'GET') {
      sendJson(response, 200, path === '/v1/models' ? { object: 'list', data: [] } : { simulated: true });
      return;
    }
    const body = await readBody(request);
    const gemini = /\/models\/([^:]+):(generateContent|streamGenerateContent)$/.exec(path);
    const model = decodeURIComponent(gemini?.[1] ?? (typeof body['model'] === 'string' ? body['model'] : ''));
    const stream = body['stream'] === true || gemini?.[2] === 'streamGenerateContent';
    const entry: SeenRequest = { path, model, stream, body, headers: request.headers, status: 0 };
    count += 1;
    if (seen.length >= maxSeen) seen.shift();
    seen.push(entry);
    response.once('close', () => {
      if (entry.status === 0) entry.status = -1;
    });

    const wire = gemini ? 'gemini' : path.endsWith('/messages') ? 'anthropic' : 'openai';
    const errorBody = { gemini: geminiError, anthropic: anthropicError, openai: openAiError }[wire];
    let behaviour: Behaviour;
    try {
      behaviour = behaviourOf(model);
    } catch (error) {
      entry.status = 404;
      sendJson(response, 404, errorBody(404, error instanceof Error ? error.message : 'no such model'));
      return;
    }
    const told = behaviour;
    const said = compose(body, behaviour);
    const isBackground = path.endsWith('/responses') && body['background'] === true;
    const wait = isBackground ? behaviour.start : behaviour.delay;
    const hold = async (): Promise<void> => {
      if (told.holds > 0) await untilReleased(released.promise, response);
    };
    if (wait > 0) await pause(wait, response);
    if (!stream && !isBackground) await hold();
    if (response.destroyed) return;
    if (!mustFail(behaviour, model, said.id)) behaviour = { ...behaviour, ...UNDISTURBED };
    if (behaviour.status !== 0) {
      entry.status = behaviour.status;
      const headers: Record<string, string> =
        behaviour.retryAfter > 0 ? { 'retry-after-ms': String(behaviour.retryAfter) } : {};
      sendJson(response, behaviour.status, errorBody(behaviour.status, 'The simulator was told to fail.'), headers);
      return;
    }
    if (body['store'] === true) kept.keep(model, said);
    if (isBackground) {
      const begun = kept.begin(model, said, told, stream);
      if (begun.streamed) await sendJob(response, begun.streamed, -1, behaviour);
      else sendJson(response, 200, begun.body);
    } else if (path.endsWith('/embeddings')) sendJson(response, 200, openAiEmbeddings(model, body));
    else if (!stream) {
      const answer = { gemini: geminiAnswer, anthropic: anthropicAnswer, openai: openAiAnswer }[wire];
      sendJson(response, 200, answer(model, said));
    } else if (wire === 'anthropic') {
      const events = anthropicStream(model, said).map(
        ([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`,
      );
      await sendStream(response, behaviour, events, hold);
    } else if (wire === 'gemini') {
      await sendStream(response, behaviour, [`data: ${JSON.stringify(geminiAnswer(model, said))}\n\n`], hold);
    } else {
      const options = body['stream_options'];
      const wantsUsage = isJsonObject(options) && options['include_usage'] === true;
      const events = [...openAiStream(model, said, wantsUsage), '[DONE]'].map((data) => `data: ${data}\n\n`);
      await sendStream(response, behaviour, events, hold);
    }
    if (response.writableEnded) entry.status = 200;
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendJson(response, 400, openAiError(400, error instanceof Error ? error.message : 'bad request'));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    seen,
    get count() {
      return count;
    },
    get asked() {
      return asked;
    },
    get streams() {
      return streams;
    },
    get working() {
      return kept.working;
    },
    get cancelled() {
      return cancelled;
    },
    release() {
      kept.release();
      released.resolve(undefined);
      released = Promise.withResolvers();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The events of a response as they come about, with what the behaviour does to their stream. */
async function sendJob(response: ServerResponse, job: StreamedJob, after: number, behaviour: Behaviour): Promise<void> {
  const left = new AbortController();
  response.once('close', () => left.abort());
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  for await (const event of job.events(after, left.signal)) {
    const garbled = behaviour.garbles > 0 && sent === behaviour.garbles ? 'data: {"type":"resp\n\n' : '';
    const text = `${garbled}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    // Destroying a response drops what it has not sent yet.
    await new Promise((resolve) => response.write(text, resolve));
    sent += 1;
    if (sent === behaviour.cut) {
      response.destroy();
      return;
    }
    if (sent === behaviour.stall) {
      if (!left.signal.aborted) await once(response, 'close');
      return;
    }
  }
  response.end();
}

async function sendStream(
  response: ServerResponse,
  behaviour: Behaviour,
  events: readonly string[],
  hold: () => Promise<void>,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [index, event] of events.entries()) {
    if (index === behaviour.holds) await hold();
    if (response.destroyed) return;
    if (behaviour.cut > 0 && index >= behaviour.cut) {
      response.destroy();
      return;
    }
    // Destroying a response drops what it has not sent yet.
    if (behaviour.cut > 0) await new Promise((resolve) => response.write(event, resolve));
    else response.write(event);
    if (behaviour.pace > 0) await pause(behaviour.pace, response);
  }
  response.end();
}

/** Waits until then, or until the client leaves. */
async function untilReleased(released: Promise<undefined>, response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  await Promise.race([released, new Promise((resolve) => response.once('close', resolve))]);
}

/** Waits, or until the client leaves. */
async function pause(ms: number, response: ServerResponse): Promise<void> {
  const controller = new AbortController();
  const onClose = () => controller.abort();
  response.once('close', onClose);
  try {
    await delay(ms, undefined, { signal: controller.signal });
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  } finally {
    response.removeListener('close', onClose);
  }
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: JsonObject,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<JsonObject> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw new RangeError('the body is too large');
    chunks.push(chunk);
  }
  const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (!isJsonObject(body)) throw new TypeError('the body is not a JSON object');
  return body;
}
