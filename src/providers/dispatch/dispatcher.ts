/**
 * One request to one provider over HTTP: sockets, phases and their timeouts, size limits. No retries at any layer: the
 * call engine decides about those, with a ledger row for each.
 */
import { Agent, request as httpRequest, errors as undiciErrors, type Dispatcher as UndiciDispatcher } from 'undici';
import type { ChatEvent, SseEvent } from '../../core/chat.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { CallTimeouts } from '../../core/call/types.ts';
import {
  ProviderFailureError,
  type CallRequest,
  type EncodedRequest,
  type ProviderAdapter,
  type ProviderAnswer,
  type ProviderFailure,
  type StreamDecoder,
} from '../../core/ports/provider.ts';
import { createPhaseClock, type PhaseClock } from './phase-clock.ts';
import { isEventStream, readEvents, readText } from './read-body.ts';

export interface DispatchInput {
  adapter: ProviderAdapter;
  request: CallRequest;
  encoded: EncodedRequest;
  /** `totalMs` is what remains of it. */
  timeouts: CallTimeouts;
  /** Aborts the request at the socket. */
  signal: AbortSignal;
  /** Each event of a streamed answer, as it comes. */
  onEvent(raw: SseEvent, events: ChatEvent[]): void;
}

export type DispatchResult =
  | { status: 'answered'; answer: ProviderAnswer; firstTokenAt: number }
  | {
      status: 'failed';
      failure: ProviderFailure;
      /** The request may have reached the provider, which may bill it: nobody knows the outcome. */
      unknown: boolean;
      /** The total time was over. */
      late: boolean;
      /** What a broken stream had given so far. */
      partial: ProviderAnswer | null;
      firstTokenAt: number | null;
    };

/** A short exchange of JSON with a provider: nothing of it is streamed. */
export interface AskInput<T>
  extends Pick<DispatchInput, 'timeouts' | 'signal'>, Pick<ProviderAdapter, 'decodeFailure'> {
  query: { method: 'GET' | 'POST'; url: string; headers: Record<string, string>; body?: string };
  /** Reads the body of a success. @throws ProviderFailureError when it is not what the wire promises. */
  decode(bodyText: string): T;
}

export type AskResult<T> =
  { status: 'answered'; value: T } | Omit<Extract<DispatchResult, { status: 'failed' }>, 'partial' | 'firstTokenAt'>;

/** A question whose answer may come as a stream of events. */
export interface FollowInput<T> extends AskInput<T> {
  /** Each event in turn; false ends the reading. The next one waits for its promise. */
  onEvent(raw: SseEvent): Promise<boolean>;
}

/** `streamed`: the events ended, or were enough; whether they were all is for their reader to say. */
export type FollowResult<T> = { status: 'streamed' } | AskResult<T>;

export interface Dispatcher {
  /** Of one answer, in bytes. */
  readonly maxAnswerBytes: number;
  dispatch(input: DispatchInput): Promise<DispatchResult>;
  ask<T>(input: AskInput<T>): Promise<AskResult<T>>;
  follow<T>(input: FollowInput<T>): Promise<FollowResult<T>>;
  close(): Promise<void>;
}

export interface DispatcherOptions {
  /** Largest answer that is read, in bytes. Default 32 MiB. */
  maxAnswerBytes?: number;
  /** Open sockets to one provider. Default 512. */
  connections?: number;
  now?: () => number;
}

const DEFAULT_MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const DEFAULT_CONNECTIONS = 512;

export function createDispatcher(options: DispatcherOptions = {}): Dispatcher {
  const maxAnswerBytes = options.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  const now = options.now ?? Date.now;
  const agents = new Map<number, Agent>();

  /** Undici takes the connect timeout per agent, not per request; the few values of a configuration each get one. */
  function agentFor(connectMs: number): Agent {
    let agent = agents.get(connectMs);
    if (!agent) {
      agent = new Agent({
        connections: options.connections ?? DEFAULT_CONNECTIONS,
        pipelining: 1,
        // Undici's own 300 s limits would end long calls: the phases below are the limits.
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: { timeout: connectMs },
        // Over HTTP/2 undici sends a refused stream again by itself, and one connection that breaks takes up to a hundred calls along.
        allowH2: false,
      });
      agents.set(connectMs, agent);
    }
    return agent;
  }

  async function question<R>(
    { query, timeouts, signal }: Pick<AskInput<unknown>, 'query' | 'timeouts' | 'signal'>,
    read: (response: UndiciDispatcher.ResponseData, phases: PhaseClock, progress: Progress) => Promise<R>,
  ): Promise<R | Extract<AskResult<never>, { status: 'failed' }>> {
    const phases = createPhaseClock(signal, timeouts);
    const progress: Progress = { sent: false, accepted: false, decoder: null, firstTokenAt: null };
    try {
      if (signal.aborted) throw stopped();
      return await read(await send(query, agentFor(timeouts.connectMs), phases.signal, progress), phases, progress);
    } catch (error) {
      const { failure, unknown } = classify(error, phases, progress);
      return { status: 'failed', failure, unknown, late: phases.expired?.phase === 'totalMs' };
    } finally {
      phases.stop();
    }
  }

  return {
    maxAnswerBytes,
    async dispatch(input) {
      const phases = createPhaseClock(input.signal, input.timeouts);
      const progress: Progress = { sent: false, accepted: false, decoder: null, firstTokenAt: null };
      try {
        if (input.signal.aborted) throw stopped();
        const answer = await exchange(input, phases, agentFor(input.timeouts.connectMs), progress, maxAnswerBytes, now);
        return { status: 'answered', answer, firstTokenAt: progress.firstTokenAt ?? now() };
      } catch (error) {
        const { failure, unknown } = classify(error, phases, progress);
        return {
          status: 'failed',
          failure,
          unknown,
          late: phases.expired?.phase === 'totalMs',
          partial: partialOf(progress),
          firstTokenAt: progress.firstTokenAt,
        };
      } finally {
        phases.stop();
      }
    },
    ask: (input) =>
      question(input, async (response, phases, progress) => {
        const text = await readSuccess(response, input, phases, progress, maxAnswerBytes);
        return { status: 'answered', value: input.decode(text) };
      }),
    follow: (input) =>
      question(input, async (response, phases, progress) => {
        if (!isEventStream(response.headers['content-type'])) {
          const text = await readSuccess(response, input, phases, progress, maxAnswerBytes);
          return { status: 'answered', value: input.decode(text) };
        }
        await requireSuccess(response, input, phases, progress, maxAnswerBytes);
        await readEvents(response.body, phases, maxAnswerBytes, async (raw) =>
          (await input.onEvent(raw)) ? 'on' : 'enough',
        );
        return { status: 'streamed' };
      }),
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.close()));
    },
  };
}

interface Progress {
  /** Bytes of the request may have left. */
  sent: boolean;
  /** The provider said 2xx: it made an answer, and may bill it. */
  accepted: boolean;
  decoder: StreamDecoder | null;
  firstTokenAt: number | null;
}

function partialOf({ decoder, firstTokenAt }: Progress): ProviderAnswer | null {
  return decoder && firstTokenAt !== null ? decoder.answer() : null;
}

async function exchange(
  input: DispatchInput,
  phases: PhaseClock,
  agent: Agent,
  progress: Progress,
  maxAnswerBytes: number,
  now: () => number,
): Promise<ProviderAnswer> {
  const { adapter, encoded, request } = input;
  const response = await send({ method: 'POST', ...encoded }, agent, phases.signal, progress);
  if (!request.stream || !isEventStream(response.headers['content-type'])) {
    const text = await readSuccess(response, adapter, phases, progress, maxAnswerBytes);
    progress.firstTokenAt = now();
    return adapter.decodeAnswer({ ...request, stream: false }, text);
  }
  await requireSuccess(response, adapter, phases, progress, maxAnswerBytes);
  const decoder = adapter.createStreamDecoder(request);
  progress.decoder = decoder;
  await readEvents(response.body, phases, maxAnswerBytes, (raw) => {
    const events = decoder.push(raw);
    progress.firstTokenAt ??= now();
    input.onEvent(raw, events);
    return decoder.hasEnded ? 'ended' : 'on';
  });
  if (!decoder.isComplete) {
    throw new ProviderFailureError({
      code: 'provider_unavailable',
      message: 'The stream ended before its end mark.',
      retryable: true,
      failOver: true,
    });
  }
  return decoder.answer();
}

/**
 * Sends, and notes in `progress` when it begins to. Undici keeps an aborted request until it has a connection, only to
 * drop it there: whoever waits for a free socket or a handshake is let go at once.
 */
async function send(
  { method, url, headers, body }: AskInput<unknown>['query'],
  agent: Agent,
  signal: AbortSignal,
  progress: Progress,
): Promise<UndiciDispatcher.ResponseData> {
  const dispatcher = agent.compose((dispatch) => (options, handler) => {
    return dispatch(
      options,
      noteStart(handler, () => (progress.sent = true)),
    );
  });
  const abandoned = Promise.withResolvers<never>();
  const onAbort = () => {
    if (!progress.sent) abandoned.reject(stopped());
  };
  // Undici listens to the same signal: once this one has fired, it can send nothing any more.
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([
      httpRequest(url, { method, headers, body: body ?? null, dispatcher, signal }),
      abandoned.promise,
    ]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** @throws ProviderFailureError for any status but a success. */
async function requireSuccess(
  { statusCode, headers, body }: UndiciDispatcher.ResponseData,
  reader: Pick<ProviderAdapter, 'decodeFailure'>,
  phases: PhaseClock,
  progress: Progress,
  maxAnswerBytes: number,
): Promise<void> {
  if (statusCode < 200 || statusCode > 299) {
    throw new ProviderFailureError(
      reader.decodeFailure(statusCode, headers, await readText(body, phases, maxAnswerBytes)),
    );
  }
  progress.accepted = true;
}

async function readSuccess(
  response: UndiciDispatcher.ResponseData,
  reader: Pick<ProviderAdapter, 'decodeFailure'>,
  phases: PhaseClock,
  progress: Progress,
  maxAnswerBytes: number,
): Promise<string> {
  await requireSuccess(response, reader, phases, progress, maxAnswerBytes);
  return readText(response.body, phases, maxAnswerBytes);
}

/** Undici starts a request on a connection that is open and free, and writes its first bytes right after that. */
function noteStart(handler: UndiciDispatcher.DispatchHandler, onStart: () => void): UndiciDispatcher.DispatchHandler {
  return {
    onRequestStart(controller, context) {
      handler.onRequestStart?.(controller, context);
      if (!controller.aborted) onStart();
    },
    onResponseStart: (...details) => handler.onResponseStart?.(...details),
    onResponseData: (...details) => handler.onResponseData?.(...details),
    onResponseEnd: (...details) => handler.onResponseEnd?.(...details),
    onResponseError: (...details) => handler.onResponseError?.(...details),
  };
}

function stopped(): undiciErrors.RequestAbortedError {
  return new undiciErrors.RequestAbortedError();
}

function classify(
  error: unknown,
  phases: PhaseClock,
  progress: Progress,
): { failure: ProviderFailure; unknown: boolean } {
  if (error instanceof ProviderFailureError) {
    const { failure } = error;
    // A 2xx answer that cannot be read was made and may be billed; an error or a verdict in its place was not.
    const hasVerdict = failure.status !== undefined || failure.code === 'content_blocked';
    return { failure, unknown: progress.accepted && !hasVerdict };
  }
  if (HoldfastError.is(error)) throw error;
  const expired = phases.expired;
  if (expired) {
    return {
      failure: {
        code: 'provider_timeout',
        message:
          expired.phase === 'totalMs'
            ? 'The total time of the call was over before the provider had answered.'
            : `The provider was silent for longer than ${expired.phase} (${String(expired.ms)} ms).`,
        retryable: expired.phase !== 'totalMs',
        failOver: expired.phase !== 'totalMs',
      },
      unknown: progress.sent,
    };
  }
  const code = codeOf(error);
  const known = error instanceof undiciErrors.UndiciError || code !== null;
  // Anything else is a defect of ours, and must not pass for a failure of the provider.
  if (!known && !phases.signal.aborted) throw error;
  return {
    failure: {
      code: 'provider_unavailable',
      message: phases.signal.aborted ? 'The request was stopped.' : `The connection failed: ${code ?? 'closed'}.`,
      retryable: true,
      failOver: true,
    },
    unknown: progress.sent,
  };
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
