/** The dispatcher over real sockets: what each way for a provider to misbehave becomes. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createNetServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned, startProtocolListener } from '../../../test/support/self-signed.ts';
import { until } from '../../../test/support/test-node.ts';
import type { ChatEvent, SseEvent } from '../../core/chat.ts';
import type { CallTimeouts } from '../../core/call/types.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { openaiCompatible, simulated } from '../openai/adapter.ts';
import { createDispatcher, type Dispatcher, type DispatcherOptions, type DispatchResult } from './dispatcher.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;
type Failed = Extract<DispatchResult, { status: 'failed' }>;

let server: Server;
let handler: Handler;
let requests: { headers: IncomingMessage['headers']; body: string; closed: boolean }[];
let sockets: Set<Socket>;
let dispatcher: Dispatcher;

beforeEach(async () => {
  requests = [];
  sockets = new Set();
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const seen = { headers: request.headers, body, closed: false };
      response.once('close', () => (seen.closed = true));
      requests.push(seen);
      handler(request, response, body);
    });
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  dispatcher = createDispatcher();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await dispatcher.close();
});

const urlOf = () => `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/v1`;
const TIMEOUTS: CallTimeouts = { connectMs: 2_000, firstTokenMs: 10_000, idleMs: 10_000, totalMs: 60_000 };

interface Options {
  stream?: boolean;
  timeouts?: Partial<CallTimeouts>;
  signal?: AbortSignal;
  baseUrl?: string;
  adapter?: typeof simulated;
  onEvent?: (raw: SseEvent, events: ChatEvent[]) => void;
  using?: DispatcherOptions;
  through?: Dispatcher;
}

async function dispatch(options: Options = {}): Promise<DispatchResult> {
  const { stream = false, adapter = simulated } = options;
  const request: CallRequest = {
    wire: 'openai-chat',
    stream,
    body: { model: 'm', stream, messages: [{ role: 'user', content: 'hi' }] },
  };
  const encoded = adapter.encode({
    request,
    model: 'm',
    baseUrl: options.baseUrl ?? urlOf(),
    secret: 'key',
    headers: {},
  });
  const own = options.using && createDispatcher(options.using);
  try {
    return await (own ?? options.through ?? dispatcher).dispatch({
      adapter,
      request,
      encoded,
      timeouts: { ...TIMEOUTS, ...options.timeouts },
      signal: options.signal ?? new AbortController().signal,
      onEvent: options.onEvent ?? (() => undefined),
    });
  } finally {
    await own?.close();
  }
}

async function failureOf(options?: Options): Promise<Failed> {
  const result = await dispatch(options);
  if (result.status !== 'failed') throw new Error('it was answered');
  return result;
}

const ANSWER = JSON.stringify({
  id: 'r1',
  object: 'chat.completion',
  created: 1,
  model: 'm-1',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
});
const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'r1', created: 1, model: 'm-1', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
const json = (status: number, body: string, headers: Record<string, string> = {}): Handler => {
  return (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
};

describe('an answer', () => {
  it.each(['reset', 'left open', 'ended'])(
    'whose end mark came stands, though its connection is then %s',
    async (what) => {
      handler = (_request, response) => {
        response.writeHead(200, SSE).write(`${chunk({ content: 'hi' })}${chunk({}, 'stop')}data: [DONE]\n\n`);
        if (what === 'reset') setTimeout(() => response.socket?.resetAndDestroy(), 20);
        if (what === 'ended') response.end();
      };
      const started = performance.now();
      const texts = (await Promise.all([1, 2].map(() => dispatch({ stream: true })))).map((result) =>
        result.status === 'answered' ? result.answer.chat?.text : result.failure.message,
      );
      expect(texts).toEqual(['hi', 'hi']);
      // The silence that is allowed is ten seconds.
      expect(performance.now() - started).toBeLessThan(5_000);
      if (what !== 'left open') return;
      // Each connection is given up in the end, without an error that concerns anyone.
      await until('the connections are closed', () => requests.every(({ closed }) => closed));
    },
  );

  it('that has ended leaves its connection to the next', async () => {
    handler = (_request, response) => {
      response.writeHead(200, SSE).write(`${chunk({ content: 'hi' }, 'stop')}data: [DONE]\n\n`);
      setTimeout(() => response.end(), 20);
    };
    for (let count = 0; count < 5; count++) {
      expect(await dispatch({ stream: true })).toMatchObject({ status: 'answered' });
      await until('it has ended', () => requests.at(-1)?.closed === true);
    }
    expect(sockets.size).toBeLessThan(5);
  });

  it('is asked for on HTTP/1.1 alone, where each request is sent once and has a connection of its own', async () => {
    const { offered, port, close } = await startProtocolListener();
    await failureOf({ baseUrl: `https://127.0.0.1:${String(port)}/v1` });
    close();
    expect(offered).toEqual([['http/1.1']]);
  });

  it('in one piece is decoded, with what went out on the wire', async () => {
    handler = json(200, ANSWER);
    const before = Date.now();
    const result = await dispatch();
    expect(result).toMatchObject({ status: 'answered', answer: { responseId: 'r1', chat: { text: 'hello' } } });
    expect(result.firstTokenAt).toBeGreaterThanOrEqual(before);
    expect(requests).toHaveLength(1);
    expect(requests[0]?.headers.authorization).toBe('Bearer key');
    expect(JSON.parse(requests[0]?.body ?? '')).toMatchObject({ model: 'm', messages: [{ content: 'hi' }] });
  });

  it('as a stream gives each event as it comes, however the bytes are cut, and the whole at the end', async () => {
    const whole = `${chunk({ role: 'assistant', content: 'hé' })}${chunk({ content: 'llo' })}${chunk({}, 'stop')}data: [DONE]\n\n`;
    handler = (_request, response) => {
      response.writeHead(200, SSE);
      for (const byte of Buffer.from(whole)) response.write(Buffer.of(byte));
      response.end();
    };
    const raws: string[] = [];
    const texts: string[] = [];
    const result = await dispatch({
      stream: true,
      onEvent(raw, events) {
        raws.push(raw.data);
        for (const event of events) if (event.type === 'text-delta') texts.push(event.text);
      },
    });
    expect(result).toMatchObject({ status: 'answered', answer: { chat: { text: 'héllo', finishReason: 'stop' } } });
    expect(texts).toEqual(['hé', 'llo']);
    expect(raws.at(-1)).toBe('[DONE]');
  });

  it('in one piece to a request for a stream is an answer without events', async () => {
    handler = json(200, ANSWER);
    const events: SseEvent[] = [];
    const result = await dispatch({ stream: true, onEvent: (raw) => events.push(raw) });
    expect(result).toMatchObject({ status: 'answered', answer: { chat: { text: 'hello' } } });
    expect(events).toEqual([]);
  });

  it('after an answer goes over a connection that is open', async () => {
    handler = json(200, ANSWER);
    for (let round = 0; round < 5; round++) expect(await dispatch()).toMatchObject({ status: 'answered' });
    handler = json(429, '{"error":{"message":"slow"}}');
    await failureOf();
    handler = json(200, ANSWER);
    await dispatch();
    expect(requests).toHaveLength(7);
    // Undici may open a second one while the first is being freed.
    expect(sockets.size).toBeLessThanOrEqual(2);
  });
});

describe('a provider that cannot be reached', () => {
  it('never got it: the outcome is known, and another may be tried', async () => {
    const baseUrl = urlOf();
    await new Promise((resolve) => server.close(resolve));
    expect(await failureOf({ baseUrl })).toMatchObject({
      failure: {
        code: 'provider_unavailable',
        retryable: true,
        failOver: true,
        message: expect.stringContaining('ECONNREFUSED') as string,
      },
      unknown: false,
      partial: null,
      firstTokenAt: null,
    });
    server.listen(0);
  });

  it('because its name does not exist never got it', async () => {
    const failed = await failureOf({ baseUrl: 'http://no-such-host.invalid/v1' });
    expect(failed).toMatchObject({ failure: { code: 'provider_unavailable' }, unknown: false });
  });

  it.each([
    ['its certificate is not trusted', /SELF_SIGNED|UNABLE_TO_VERIFY/, true],
    ['it speaks no TLS', /ERR_SSL|EPROTO/, false],
  ])('because %s never got it', async (_, message, speaksTls) => {
    const other = speaksTls ? createTlsServer(selfSigned(), () => undefined) : server;
    if (speaksTls) await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const failed = await failureOf({ baseUrl: `https://127.0.0.1:${String(port)}/v1` });
    if (speaksTls) other.close();
    expect(failed).toMatchObject({ failure: { code: 'provider_unavailable' }, unknown: false, partial: null });
    expect(failed.failure.message).toMatch(message);
    expect(requests).toEqual([]);
  });

  it.each([
    ['firstTokenMs', { firstTokenMs: 150, connectMs: 3_000 }, { code: 'provider_timeout' }, 1_500],
    // The client library counts this one in steps of half a second and more.
    [
      'connectMs',
      { firstTokenMs: 20_000, connectMs: 150 },
      { code: 'provider_unavailable', message: expect.stringContaining('CONNECT_TIMEOUT') as string },
      5_000,
    ],
  ])('because its handshake never ends never got it, and nobody waits longer than %s', async (...row) => {
    const [, timeouts, failure, withinMs] = row;
    const mute = createNetServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    const started = performance.now();
    const failed = await failureOf({ baseUrl: `https://127.0.0.1:${String(port)}/v1`, timeouts });
    expect(failed).toMatchObject({ failure, unknown: false });
    expect(performance.now() - started).toBeLessThan(withinMs);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  it('because no socket came free never got it, and is never sent later', async () => {
    const held: ServerResponse[] = [];
    handler = (_request, response) => void held.push(response);
    const single = createDispatcher({ connections: 1 });
    const first = dispatch({ through: single });
    await until('the provider has the first', () => held.length === 1);
    const controller = new AbortController();
    const expired = failureOf({ through: single, timeouts: { firstTokenMs: 100 } });
    const aborted = failureOf({ through: single, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    expect(await expired).toMatchObject({ failure: { code: 'provider_timeout' }, unknown: false, partial: null });
    expect(await aborted).toMatchObject({ failure: { message: 'The request was stopped.' }, unknown: false });
    for (const response of held) json(200, ANSWER)(requests[0] as never, response, '');
    expect(await first).toMatchObject({ status: 'answered' });
    await single.close();
    expect(requests).toHaveLength(1);
  });
});

describe('a provider that is silent', () => {
  /** In which the request must have left, on a slow machine too. */
  const FIRST_TOKEN_MS = 1_000;

  it('before the headers is given up after firstTokenMs, its outcome unknown, its socket closed', async () => {
    handler = () => undefined;
    const started = performance.now();
    const failed = await failureOf({ timeouts: { firstTokenMs: FIRST_TOKEN_MS } });
    expect(failed).toMatchObject({
      failure: {
        code: 'provider_timeout',
        retryable: true,
        failOver: true,
        message: expect.stringContaining('firstTokenMs (1000 ms)') as string,
      },
      unknown: true,
      partial: null,
    });
    expect(performance.now() - started).toBeGreaterThanOrEqual(FIRST_TOKEN_MS - 10);
    await until('the socket closes', () => requests[0]?.closed === true);
  });

  it('after its headers is given up after firstTokenMs: headers are no token', async () => {
    handler = (_request, response) => {
      response.writeHead(200, SSE).flushHeaders();
    };
    const failed = await failureOf({ stream: true, timeouts: { firstTokenMs: FIRST_TOKEN_MS, idleMs: 60_000 } });
    expect(failed).toMatchObject({ failure: { code: 'provider_timeout' }, unknown: true, partial: null });
  });

  it('between two events is given up after idleMs, with what came', async () => {
    handler = (_request, response) => void response.writeHead(200, SSE).write(chunk({ content: 'so far' }));
    const failed = await failureOf({ stream: true, timeouts: { idleMs: 200 } });
    expect(failed).toMatchObject({
      failure: { code: 'provider_timeout', message: expect.stringContaining('idleMs') as string },
      unknown: true,
      partial: { chat: { text: 'so far' } },
    });
    expect(failed.firstTokenAt).not.toBeNull();
    await until('the socket closes', () => requests[0]?.closed === true);
  });

  it('is not given up while bytes come, though the whole takes longer than idleMs', async () => {
    handler = (_request, response) => {
      response.writeHead(200, SSE);
      let sent = 0;
      const timer = setInterval(() => {
        sent += 1;
        response.write(sent < 24 ? ': ping\n\n' : `${chunk({ content: 'x' }, 'stop')}data: [DONE]\n\n`);
        if (sent < 24) return;
        clearInterval(timer);
        response.end();
      }, 50);
    };
    const result = await dispatch({ stream: true, timeouts: { idleMs: 1_000 } });
    expect(result.status).toBe('answered');
  });
});

describe('a provider that breaks off', () => {
  it('before its headers leaves the outcome unknown', async () => {
    handler = (request) => void request.socket.destroy();
    expect(await failureOf()).toMatchObject({
      failure: { code: 'provider_unavailable', retryable: true },
      unknown: true,
    });
    expect(requests).toHaveLength(1);
  });

  it('in a body leaves the outcome unknown, without a partial answer', async () => {
    handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write(ANSWER.slice(0, 20), () => response.destroy());
    };
    expect(await failureOf()).toMatchObject({
      failure: { code: 'provider_unavailable' },
      unknown: true,
      partial: null,
    });
  });

  it('in a stream gives what came', async () => {
    handler = (_request, response) => {
      response.writeHead(200, SSE);
      response.write(chunk({ content: 'half' }), () => response.destroy());
    };
    expect(await failureOf({ stream: true })).toMatchObject({
      failure: { code: 'provider_unavailable', retryable: true },
      partial: { chat: { text: 'half' }, usage: null },
    });
  });

  it('cleanly but before the end mark is no answer', async () => {
    handler = (_request, response) => void response.writeHead(200, SSE).end(chunk({ content: 'half' }));
    expect(await failureOf({ stream: true })).toMatchObject({
      failure: { code: 'provider_unavailable', message: expect.stringContaining('before its end mark') as string },
      partial: { chat: { text: 'half' } },
    });
  });

  it('with an error event inside the stream is that error', async () => {
    const error = { error: { message: 'slow down', type: 'rate_limit_error' } };
    handler = (_request, response) =>
      void response.writeHead(200, SSE).end(`${chunk({ content: 'a' })}data: ${JSON.stringify(error)}\n\n`);
    expect(await failureOf({ stream: true })).toMatchObject({
      failure: { code: 'provider_rate_limited' },
      unknown: false,
      partial: { chat: { text: 'a' } },
    });
  });
});

describe('a body', () => {
  it.each([false, true])(
    'that is too large is dropped while it comes (stream: %s), and no other try would help',
    async (stream) => {
      handler = (_request, response) => {
        response.writeHead(200, stream ? SSE : { 'content-type': 'application/json' });
        const timer = setInterval(() => response.write(chunk({ content: 'x'.repeat(1_000) })), 1);
        response.once('close', () => clearInterval(timer));
      };
      const failed = await failureOf({ stream, using: { maxAnswerBytes: 20_000 } });
      expect(failed.failure).toMatchObject({ code: 'provider_unavailable', retryable: false, failOver: true });
      expect(failed.failure.message).toContain('20000 bytes');
      expect(failed.partial === null).toBe(!stream);
      await until('the socket closes', () => requests[0]?.closed === true);
    },
  );

  it.each(['', '<html>', '[]', '{}'])('with status 200 and %j is a broken answer that may be billed', async (body) => {
    handler = json(200, body);
    const expected = { failure: { code: 'provider_unavailable' }, unknown: true, partial: null };
    expect(await failureOf()).toMatchObject(expected);
    expect(await failureOf({ stream: true })).toMatchObject(expected);
  });

  it('with status 200 that is an error of the provider is that error, and known', async () => {
    handler = json(200, '{"error":{"message":"slow down","type":"rate_limit_error"}}');
    expect(await failureOf()).toMatchObject({ failure: { code: 'provider_rate_limited' }, unknown: false });
  });

  it('of a stream that cannot be read from its first event on may be billed', async () => {
    handler = (_request, response) => void response.writeHead(200, SSE).end('data: <html>\n\n');
    expect(await failureOf({ stream: true })).toMatchObject({ unknown: true, partial: null });
  });

  it('of a refusal that is too large is a refusal all the same', async () => {
    handler = json(500, 'x'.repeat(10_000));
    expect(await failureOf({ using: { maxAnswerBytes: 1_000 } })).toMatchObject({ unknown: false, partial: null });
  });
});

describe('a refusal', () => {
  const refusals: [number, Record<string, string>, object][] = [
    [429, { 'retry-after': '3' }, { code: 'provider_rate_limited', retryAfterMs: 3_000, retryable: true }],
    [429, { 'retry-after-ms': '150' }, { code: 'provider_rate_limited', retryAfterMs: 150 }],
    [503, { 'retry-after': '1' }, { code: 'provider_unavailable', retryAfterMs: 1_000, retryable: true }],
    [500, { 'x-should-retry': 'false' }, { code: 'provider_unavailable', retryable: false }],
    [401, {}, { code: 'provider_auth', retryable: false, failOver: true }],
    [400, {}, { code: 'provider_rejected', retryable: false, failOver: false, status: 400 }],
    [302, { location: 'http://127.0.0.1:1/' }, { code: 'provider_unavailable', retryable: false }],
  ];
  it.each(refusals)(
    '%i %j is classified, its outcome is known, and it is asked once',
    async (status, headers, expected) => {
      handler = json(status, '{"error":{"message":"no"}}', headers);
      const failed = await failureOf({ stream: true });
      expect(failed.failure).toMatchObject(expected);
      expect(failed).toMatchObject({ unknown: false, partial: null, firstTokenAt: null });
      expect(requests).toHaveLength(1);
    },
  );
});

describe('an abort', () => {
  it('closes the socket at once, before or in the answer', async () => {
    for (const write of [
      () => undefined,
      (response: ServerResponse) => response.writeHead(200, SSE).write(chunk({ content: 'a' })),
    ]) {
      requests = [];
      const controller = new AbortController();
      let events = 0;
      handler = (_request, response) => void write(response);
      const pending = failureOf({ stream: true, signal: controller.signal, onEvent: () => (events += 1) });
      await until('the provider has it', () => requests.length === 1);
      if (write.length > 0) await until('the first event is here', () => events === 1);
      controller.abort();
      const failed = await pending;
      expect(failed).toMatchObject({
        failure: { code: 'provider_unavailable', message: 'The request was stopped.' },
        unknown: true,
      });
      await until('the socket closes', () => requests[0]?.closed === true);
    }
  });

  it('that came before sends nothing', async () => {
    handler = json(200, ANSWER);
    const failed = await failureOf({ signal: AbortSignal.abort() });
    expect(failed).toMatchObject({ failure: { message: 'The request was stopped.' }, unknown: false });
    expect(requests).toEqual([]);
  });
});

it('a defect in our own event handler is thrown, and does not pass for a failure of the provider', async () => {
  handler = (_request, response) => void response.writeHead(200, SSE).end(chunk({ content: 'a' }));
  const onEvent = () => {
    throw new TypeError('a defect');
  };
  await expect(dispatch({ stream: true, onEvent })).rejects.toThrow('a defect');
});

it('a server that never says [DONE] but ends after its finish reason has answered, where the kind allows it', async () => {
  handler = (_request, response) => void response.writeHead(200, SSE).end(chunk({ content: 'a' }, 'stop'));
  expect(await dispatch({ stream: true, adapter: openaiCompatible })).toMatchObject({ status: 'answered' });
  expect(await dispatch({ stream: true, adapter: simulated })).toMatchObject({ status: 'failed' });
});

it('keeps no more than its connections open to one provider, and still answers all', async () => {
  handler = json(200, ANSWER);
  const bounded = createDispatcher({ connections: 3 });
  const request: CallRequest = { wire: 'openai-chat', stream: false, body: { model: 'm', messages: [] } };
  const encoded = simulated.encode({ request, model: 'm', baseUrl: urlOf(), secret: undefined, headers: {} });
  const signal = new AbortController().signal;
  const input = { adapter: simulated, request, encoded, timeouts: TIMEOUTS, signal, onEvent: () => undefined };
  const results = await Promise.all(Array.from({ length: 30 }, () => bounded.dispatch(input)));
  expect(results.every(({ status }) => status === 'answered')).toBe(true);
  expect(sockets.size).toBeLessThanOrEqual(3);
  await bounded.close();
});
