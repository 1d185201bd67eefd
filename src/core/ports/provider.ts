/**
 * A provider family on the wire. Adapters are pure: they turn a request into bytes and bytes into answers; the
 * dispatcher owns sockets, timeouts, limits and secrets' lifetime.
 */
import type { ChatAnswer, ChatEvent, ConversionWarning, SseEvent, Wire } from '../chat.ts';
import type { ErrorCode } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Usage } from '../usage.ts';

export type Capability =
  | 'chat'
  | 'streaming'
  | 'tools'
  | 'parallel-tools'
  | 'vision'
  | 'audio-in'
  | 'audio-out'
  | 'json-schema'
  | 'reasoning'
  | 'embeddings'
  | 'multiple-choices'
  | 'background';

export interface ModelCapabilities {
  /** What the model can do. `unknown` models are assumed able: the provider decides. */
  supports: ReadonlySet<Capability>;
  contextWindow?: number;
  maxOutputTokens?: number;
}

/** A request as the caller sent it, after parsing and redaction. */
export interface CallRequest {
  wire: Wire;
  /** The body in that wire; `model` in it is what the caller named. */
  body: JsonObject;
  stream: boolean;
  /**
   * Headers of the caller that are part of the wire (`anthropic-beta`, `anthropic-version`). They go on to a provider of
   * the same wire and to no other. No secret is ever among them.
   */
  wireHeaders?: Record<string, string>;
  /** The bound on the output in `body` is the gateway's own: it must reach the provider in the field that this heeds. */
  outputBound?: number;
}

export interface EncodeInput {
  request: CallRequest;
  /** The provider's own model name for this candidate. */
  model: string;
  /** What the provider's own SDK would be given, without a trailing slash. */
  baseUrl: string;
  /** The secret in the clear; never leaves the worker's memory except in a header of this request. */
  secret: string | undefined;
  /** Headers and options of this provider's configuration. */
  headers: Readonly<Record<string, string>>;
}

export interface EncodedRequest {
  url: string;
  headers: Record<string, string>;
  body: string;
  warnings: ConversionWarning[];
}

/** Asks for an answer that the provider keeps under an id. */
export interface KeptAnswerQuery extends Pick<EncodeInput, 'baseUrl' | 'secret' | 'headers'> {
  responseId: string;
}

/** A request that carries no prompt. */
export interface ProviderQuery {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
}

/** What a provider says of an answer that it keeps. */
export type KeptAnswer =
  | { state: 'pending'; responseId: string }
  | { state: 'answered'; responseId: string; answer: ProviderAnswer }
  /** `partial` is what was made, and is billed, all the same. */
  | { state: 'failed'; responseId: string; failure: ProviderFailure; partial: ProviderAnswer | null };

/** Turns the SSE events of an answer that is made in the background into canonical events, over any number of connections. */
export interface KeptStreamDecoder {
  /** Events that came before give nothing. @throws ProviderFailureError on a malformed event or an error event. */
  push(event: SseEvent): ChatEvent[];
  /** Null before the first event. */
  readonly responseId: string | null;
  /** The number of the last event that was read; null before the first. */
  readonly cursor: number | null;
  /** What the last event of the stream says of the answer; null before it. */
  readonly said: KeptAnswer | null;
  /** Whether there is an answer, and what was streamed makes it up. */
  readonly isFaithful: boolean;
}

/** How a provider that keeps its answers is asked for them. */
export interface KeptAnswers {
  /** Of the answers that are made in the background. */
  readonly wire: Wire;
  /** Whether a canonical request can be answered in the background. Not, where it says that its answer must not be stored. */
  carries(canonical: JsonObject): boolean;
  /** A request whose answer is made in the background: the provider gives an id at once, and streams it where the caller does. */
  encodeStart(input: EncodeInput): EncodedRequest;
  /** Asks for the stream of an answer in the making: the events after the one of this number, or all of them for null. */
  encodeFollow(query: KeptAnswerQuery, after: number | null): ProviderQuery;
  createStreamDecoder(): KeptStreamDecoder;
  /** Whether the answer to this request can be asked for again. */
  isKept(request: CallRequest, responseId: string): boolean;
  encodeRetrieve(query: KeptAnswerQuery): ProviderQuery;
  /** Ends the work. Null where an answer with this id cannot be stopped. */
  encodeCancel(query: KeptAnswerQuery): ProviderQuery | null;
  /** The body of a start, a retrieval or a cancellation. @throws ProviderFailureError when it is not what the wire promises. */
  decode(bodyText: string): KeptAnswer;
}

export interface ProviderAnswer {
  wire: Wire;
  /** The body as the provider sent it, or for a stream the body it would have sent without streaming. */
  body: JsonObject;
  /** The canonical reading; null for kinds that are not chat. */
  chat: ChatAnswer | null;
  usage: Usage | null;
  /** The provider's usage object untouched. */
  rawUsage: JsonObject | null;
  /** The provider's id of this answer. */
  responseId: string | null;
  /** The model that the provider says answered. */
  model: string | null;
  serviceTier: string | null;
}

/** A provider's failure, classified by what may be done next. */
export interface ProviderFailure {
  code: Extract<ErrorCode, `provider_${string}` | 'context_too_long' | 'content_blocked' | 'outcome_unknown'>;
  /** The provider's message with secrets redacted, at most 500 characters. */
  message: string;
  status?: number;
  retryAfterMs?: number;
  /** The same candidate may be tried again. */
  retryable: boolean;
  /** Another candidate may do better. */
  failOver: boolean;
}

/** Turns the SSE events of one streamed answer into canonical events, and remembers enough to give the whole answer. */
export interface StreamDecoder {
  /** @throws ProviderFailureError on a malformed event or an error event. */
  push(event: SseEvent): ChatEvent[];
  /** True once the wire's own end mark was seen (`[DONE]`, `message_stop`, a finish reason and the end of the body). */
  readonly isComplete: boolean;
  /** True once that mark was seen: whatever the connection does then, nothing more can come. False for ever where there is none. */
  readonly hasEnded: boolean;
  /** What was received so far as an answer; `usage` is null when the provider did not get to say it. */
  answer(): ProviderAnswer;
}

export interface ProviderAdapter {
  /** The `kind` of the configuration: `openai`, `openai-compatible`, `anthropic`, `gemini`, `simulated`. */
  readonly kind: string;
  readonly wire: Wire;
  /** Where the provider's own SDK goes by default; null when the configuration must say it. */
  readonly defaultBaseUrl: string | null;
  /** The environment variable that usually holds the key; null when there is none. */
  readonly usualKeyVariable: string | null;
  capabilities(model: string): ModelCapabilities;
  /** @throws HoldfastError `capability_missing` when the request cannot be carried at all. */
  encode(input: EncodeInput): EncodedRequest;
  /** @throws ProviderFailureError when a 2xx body is not what the wire promises. */
  decodeAnswer(request: CallRequest, bodyText: string): ProviderAnswer;
  createStreamDecoder(request: CallRequest): StreamDecoder;
  /** Only for providers that keep answers. */
  readonly kept?: KeptAnswers;
  decodeFailure(
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    bodyText: string,
  ): ProviderFailure;
}

/** One wire as the doors speak it: what a caller sends and gets back. */
export interface DoorWire {
  readonly wire: Wire;
  /** Checks shape and ranges. @throws HoldfastError `invalid_request` with `param`. */
  parseRequest(body: unknown, headers?: Readonly<Record<string, string | string[] | undefined>>): CallRequest;
  /** The end user that the request names; null for none. */
  endUser(request: CallRequest): string | null;
  /** The caller's request as canonical chat, for policy, estimates and other providers. */
  toCanonical(request: CallRequest): { request: JsonObject; warnings: ConversionWarning[] };
  /** The answer in this wire: untouched when it stands in it already, else built from the canonical reading. */
  encodeAnswer(answer: ProviderAnswer, request: CallRequest): JsonObject;
  createStreamEncoder(request: CallRequest): StreamEncoder;
}

/** Builds the SSE events of one wire from canonical events. `end` gives what follows once the answer is recorded. */
export interface StreamEncoder {
  push(events: readonly ChatEvent[]): SseEvent[];
  end(): SseEvent[];
}

/** Thrown by a decoder when the provider reports a failure inside a 2xx answer or a started stream. */
export class ProviderFailureError extends Error {
  readonly failure: ProviderFailure;

  constructor(failure: ProviderFailure) {
    super(failure.message);
    this.name = 'ProviderFailureError';
    this.failure = failure;
  }
}
