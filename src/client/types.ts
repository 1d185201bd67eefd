/** What the client takes and gives. */
import type { ConversionWarning } from '../core/chat.ts';
import type { ErrorRecord } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { NanoUsdString } from '../core/money.ts';
import type { CallView } from '../core/ports/ledger/views.ts';

/** The wires that a request may be written in; the answer comes in the same one. */
export type ClientWire = 'openai-chat' | 'anthropic-messages' | 'openai-embeddings';

/** The JSON of the chosen wire, such as `{model, messages}`. */
export interface RequestBody extends JsonObject {
  model: string;
}

export interface RequestOptions {
  /** Default `openai-chat`. */
  wire?: ClientWire;
  /** The same key gives the same answer, paid once. Without one, leaving the connection cancels the call. */
  idempotencyKey?: string;
  tags?: Readonly<Record<string, string>>;
  /**
   * `background`: the provider works on its own and keeps the answer, so that nothing is lost or paid again with a
   * connection. For long calls, at providers that can. Default: as the route says.
   */
  mode?: 'auto' | 'background';
  signal?: AbortSignal;
  /**
   * How often to send again when the gateway is not reached or says that a repeat may help. Default 0. Makes an
   * idempotency key where there is none, so that no repeat is paid twice. Streams are not retried.
   */
  retries?: number;
}

/** A call as the gateway shows it. Its content is had by `result()`. */
export type CallDescription = Omit<CallView, 'requestRef' | 'answerRef' | 'isOwed' | 'error'> & {
  error: Pick<ErrorRecord, 'code' | 'message' | 'source'> | null;
};

export interface CallAnswer {
  callId: string;
  /** In the wire of the request. */
  answer: JsonObject;
  provider: string | null;
  model: string | null;
  attempts: number;
  /** Null when no price is known. */
  costNanoUsd: NanoUsdString | null;
  /** True when an earlier request with the same key made the call. */
  replayed: boolean;
  warnings: ConversionWarning[];
}

export interface CallStream extends AsyncIterable<JsonObject> {
  readonly callId: string;
  /** True when an earlier request with the same key made the call. */
  readonly replayed: boolean;
}

export interface CallResultWithContent {
  call: CallDescription;
  /** In the wire that the call was made in. */
  answer: JsonObject;
}

export interface CallHandle {
  readonly id: string;
  /** Waits for the end. @throws HoldfastClientError the error of a call that did not succeed. */
  result(options?: { signal?: AbortSignal }): Promise<CallResultWithContent>;
  /** What the call did so far. */
  describe(options?: { signal?: AbortSignal }): Promise<CallDescription>;
  /** Asks for the end; one that has ended stays as it is. Gives the call as it stood then. */
  cancel(options?: { signal?: AbortSignal }): Promise<CallDescription>;
}

export interface HoldfastClient {
  /** Makes a call and waits for its answer. */
  call(request: RequestBody, options?: RequestOptions): Promise<CallAnswer>;
  /** Makes a call and gives its chunks as they come. A loop that is left early cancels a call without a key. */
  stream(request: RequestBody, options?: Omit<RequestOptions, 'retries'>): Promise<CallStream>;
  /** Makes a call and returns at once; the call goes on whatever happens to this process. */
  start(request: RequestBody, options?: RequestOptions): Promise<CallHandle>;
  getCall(id: string): CallHandle;
}
